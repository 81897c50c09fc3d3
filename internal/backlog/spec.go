package backlog

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// plainText reads a string that goes to the operating system: not empty, no NUL.
func (p *parser) plainText(key string, into *string) bool {
	at := p.i
	var s string
	before := len(p.problems)
	if !p.stringField(key, &s) {
		return false
	}
	if len(p.problems) > before {
		return true
	}
	switch {
	case s == "":
		p.problem(at, "%q must not be empty", key)
	case strings.IndexByte(s, 0) >= 0:
		p.problem(at, "%q holds a NUL character, which no command can take", key)
	}
	*into = s
	return true
}

func (p *parser) command(key string, into *Command) bool {
	switch {
	case p.i < len(p.src) && p.src[p.i] == '"':
		return p.plainText(key, &into.Shell)
	case p.i < len(p.src) && p.src[p.i] == '[':
	default:
		return p.mismatch(`"` + key + `" must be a shell line or a list of arguments`)
	}
	at, before := p.i, len(p.problems)
	var argv []string
	ok := p.array(func() bool {
		var arg string
		argAt := p.i
		if p.i < len(p.src) && p.src[p.i] != '"' {
			return p.mismatch("an argument of " + quote(key) + " must be a string")
		}
		if !p.stringField(key, &arg) {
			return false
		}
		if strings.IndexByte(arg, 0) >= 0 {
			p.problem(argAt, "%q holds a NUL character, which no command can take", key)
		}
		argv = append(argv, arg)
		return true
	})
	if ok && len(p.problems) == before && (len(argv) == 0 || argv[0] == "") {
		p.problem(at, "%q must name a program", key)
	}
	into.Argv = slices.Clip(argv)
	return ok
}

func (p *parser) env(spec *Spec) bool {
	if p.i < len(p.src) && p.src[p.i] != '{' {
		return p.mismatch(`"env" must be an object of strings`)
	}
	return p.object(func(name string, at int) bool {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			p.problem(at, "%s is not a name of an environment variable", quote(name))
		}
		if p.i < len(p.src) && p.src[p.i] != '"' {
			return p.mismatch("the variable " + quote(name) + " must be a string")
		}
		var value string
		valueAt := p.i
		if !p.stringField(name, &value) {
			return false
		}
		if strings.IndexByte(value, 0) >= 0 {
			p.problem(valueAt, "the variable %s holds a NUL character, which no command can take", quote(name))
		}
		spec.Env = append(spec.Env, EnvVar{name, value})
		return true
	})
}

func (p *parser) duration(key string, into *time.Duration) bool {
	if p.i < len(p.src) && p.src[p.i] != '"' {
		return p.mismatch(`"` + key + `" must be a duration like "400ms" or "30m"`)
	}
	at := p.i
	t, ok := p.str()
	if !ok {
		return false
	}
	d, err := time.ParseDuration(p.decode(t))
	if err != nil || d <= 0 {
		p.problem(at, `%q is %s; it must be a duration above 0, like "400ms" or "30m"`, key, quote(p.decode(t)))
		return true
	}
	*into = d
	return true
}

func (p *parser) integer(key string, least, most int, into *int) bool {
	want := `"` + key + `" must be an integer between ` + strconv.Itoa(least) + " and " + strconv.Itoa(most)
	if p.i >= len(p.src) || p.src[p.i] != '-' && (p.src[p.i] < '0' || p.src[p.i] > '9') {
		return p.mismatch(want)
	}
	at := p.i
	n, ok := p.number()
	if !ok {
		return false
	}
	v, err := strconv.Atoi(n)
	if err != nil || v < least || v > most {
		p.problem(at, "%s, not %s", want, cut(n))
		return true
	}
	*into = v
	return true
}

func (p *parser) gates(spec *Spec) bool {
	if p.i < len(p.src) && p.src[p.i] != '[' {
		return p.mismatch(`"gates" must be a list`)
	}
	spec.HasGates = true
	return p.array(func() bool {
		if p.i < len(p.src) && p.src[p.i] != '{' {
			return p.mismatch(`a gate must be an object like {"level":1,"run":"make test"}`)
		}
		at := p.i
		var g Gate
		var hasLevel, hasRun bool
		ok := p.object(func(key string, _ int) bool {
			switch key {
			case "level":
				hasLevel = true
				return p.integer(key, 1, 4, &g.Level)
			case "name":
				return p.null() || p.plainText(key, &g.Name)
			case "run":
				hasRun = true
				return p.command(key, &g.Run)
			case "timeout":
				return p.null() || p.duration(key, &g.Timeout)
			}
			return p.skip()
		})
		if !ok {
			return false
		}
		if !hasLevel {
			p.problem(at, `this gate has no "level"; every gate needs one from 1 to 4`)
		}
		if !hasRun {
			p.problem(at, `this gate has no "run"; every gate needs a command`)
		}
		spec.Gates = append(spec.Gates, g)
		return true
	})
}
