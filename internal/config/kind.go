package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// kind is how a text becomes a value in Config, and back. set changes nothing
// when it returns an error; the error is the end of a sentence that starts with
// where the text was.
type kind struct {
	flagType string // what --help calls the value
	allowed  string // ends the sentence `"x" is not ...`
	values   Values
	set      func(c *Config, text string) error
	get      func(c *Config) any // an int, bool or string
}

const none = "none"

// Values are what an option may be in the file, for those who describe that to
// programs: one of these. Texts stand for themselves; numbers are not quoted,
// although hacky would take them.
type Values struct {
	Bool    bool     // a boolean, as YAML has them or had them
	Words   []string // one of these texts
	Pattern string   // a text that fits this regular expression
	Numbers *Numbers // a whole number
	Scalar  bool     // any text or number
	List    bool     // also a list of such texts, not empty
}

// Numbers are whole numbers from Least to Most.
type Numbers struct{ Least, Most int }

// parsed makes a kind of a parser and a field; show turns the field's value
// into what is listed.
func parsed[T any](flagType, allowed string, values Values, field func(*Config) *T, parse func(string) (T, error), show func(T) any) kind {
	return kind{
		flagType: flagType,
		allowed:  allowed,
		values:   values,
		set: func(c *Config, text string) error {
			v, err := parse(text)
			if err == nil {
				*field(c) = v
			}
			return err
		},
		get: func(c *Config) any { return show(*field(c)) },
	}
}

func asIs[T any](v T) any { return v }

// decimal is the one spelling of a whole number: strconv would also take "+3",
// and YAML 1.1 reads "010" as 8.
var decimal = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(0|[1-9][0-9]*)$`) })

func parseInteger(text string, least, most int, allowed string) (int, error) {
	n, err := strconv.Atoi(text)
	if !decimal().MatchString(text) || err != nil || n < least || n > most {
		return 0, refused(text, allowed)
	}
	return n, nil
}

func integer(least, most int, field func(*Config) *int) kind {
	allowed := fmt.Sprintf("an integer between %d and %d", least, most)
	return parsed("int", allowed, Values{Numbers: &Numbers{least, most}}, field, func(text string) (int, error) {
		return parseInteger(text, least, most, allowed)
	}, asIs)
}

// limit is a count that may be none, kept as 0. A typed 0 is refused: it could
// as well mean "not a single one".
func limit(field func(*Config) *int) kind {
	const allowed = "none or an integer of at least 1"
	return parsed("int", allowed, Values{Words: []string{none}, Numbers: &Numbers{1, math.MaxInt}}, field, func(text string) (int, error) {
		if text == none {
			return 0, nil
		}
		return parseInteger(text, 1, math.MaxInt, allowed)
	}, func(n int) any {
		if n == 0 {
			return none
		}
		return n
	})
}

func parseBoolean(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "t", "1", "yes", "on":
		return true, nil
	case "false", "f", "0", "no", "off":
		return false, nil
	}
	return false, refused(text, "true or false")
}

func boolean(field func(*Config) *bool) kind {
	return parsed("bool", "true or false", Values{Bool: true}, field, parseBoolean, asIs)
}

// not is the kind of `no-x`: the same field, the other way round.
func not(field func(*Config) *bool) *kind {
	k := parsed("bool", "true or false", Values{Bool: true}, field, func(text string) (bool, error) {
		b, err := parseBoolean(text)
		return !b, err
	}, asIs)
	return &k
}

func oneOf(field func(*Config) *string, words ...string) kind {
	allowed := "one of " + strings.Join(words, ", ")
	return parsed("string", allowed, Values{Words: words}, field, func(text string) (string, error) {
		for _, w := range words {
			if text == w {
				return text, nil
			}
		}
		return "", refused(text, allowed)
	}, asIs)
}

// name is that of something which is defined elsewhere, or none, kept as "".
func name(field func(*Config) *string) kind {
	const allowed = "none or " + allowedName
	return parsed("string", allowed, Values{Pattern: commandName().String()}, field, func(text string) (string, error) {
		switch {
		case text == none:
			return "", nil
		case !commandName().MatchString(text):
			return "", refused(text, allowed)
		}
		return text, nil
	}, func(text string) any {
		if text == "" {
			return none
		}
		return text
	})
}

// anyText takes every text. An empty one is what the option is without one.
func anyText(allowed string, field func(*Config) *string) kind {
	return parsed("string", allowed, Values{Scalar: true}, field, func(text string) (string, error) { return text, nil }, asIs)
}

// span is what a duration may be. A bare number has no unit people agree on, so
// it is refused unless bareMillis gives it one.
type span struct {
	least, most time.Duration
	bareMillis  bool
	optional    bool // may be none, kept as 0
	zeroIsNone  bool // and 0 is another word for none
}

func (s span) allowed() string {
	switch {
	case s.optional:
		return "none or a duration above 0 and of at most " + short(s.most)
	case s.bareMillis:
		return fmt.Sprintf("a duration between %s and %s (a bare number is milliseconds)", short(s.least), short(s.most))
	}
	return fmt.Sprintf("a duration between %s and %s", short(s.least), short(s.most))
}

func (s span) parse(text string) (time.Duration, error) {
	if s.optional && text == none {
		return 0, nil
	}
	spelled := text
	if decimal().MatchString(text) {
		switch {
		case s.bareMillis:
			spelled += "ms"
		case s.zeroIsNone && text == "0":
			return 0, nil
		default:
			return 0, fmt.Errorf("%s has no unit (write %ss, %sm or %sh): allowed is %s",
				quote(text), text, text, text, s.allowed())
		}
	}
	d, err := time.ParseDuration(spelled)
	if err == nil && d == 0 && s.zeroIsNone {
		return 0, nil
	}
	if err != nil || d < s.least || d > s.most {
		return 0, refused(text, s.allowed())
	}
	return d, nil
}

func (s span) show(d time.Duration) any {
	if d == 0 && s.optional {
		return none
	}
	return short(d)
}

func duration(s span, field func(*Config) *time.Duration) kind {
	return parsed("duration", s.allowed(), s.values(), field, s.parse, s.show)
}

// The parts of a duration as Go writes it; a number that is not 0, and any one.
const (
	unitPattern    = `(ns|us|µs|μs|ms|s|m|h)`
	anyPattern     = `([0-9]+(\.[0-9]*)?|\.[0-9]+)` + unitPattern
	nonzeroPattern = `(0*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.0*[1-9][0-9]*)` + unitPattern
)

// DurationAboveZero is what a duration above 0 looks like.
const DurationAboveZero = `^\+?(` + anyPattern + `)*` + nonzeroPattern + `(` + anyPattern + `)*$`

// values leaves out the upper bound, and a lower one above 0, of what has units:
// no pattern can tell that 90m is more than 1h.
func (s span) values() Values {
	v := Values{Pattern: DurationAboveZero}
	switch {
	case s.zeroIsNone:
		v.Pattern, v.Numbers = `^\+?(`+anyPattern+`)+$|^0$`, &Numbers{0, 0}
	case s.least == 0:
		v.Pattern = `^\+?(` + anyPattern + `)+$`
	}
	if s.optional {
		v.Words = []string{none}
	}
	if s.bareMillis {
		v.Numbers = &Numbers{int(s.least.Milliseconds()), int(s.most.Milliseconds())}
	}
	return v
}

// backoff sets two fields with one text, whose defaults differ. The text that
// names both defaults is accepted, so that what is listed can be typed.
func backoff() kind {
	const unset = "100ms flush, 1s tasks"
	s := span{least: 100 * time.Millisecond, most: time.Minute, bareMillis: true}
	values := s.values()
	values.Words = []string{unset}
	return kind{
		values:   values,
		flagType: "duration",
		allowed:  s.allowed(),
		set: func(c *Config, text string) error {
			if text == unset {
				c.FlushBackoff, c.TaskBackoff = 100*time.Millisecond, time.Second
				return nil
			}
			d, err := s.parse(text)
			if err == nil {
				c.FlushBackoff, c.TaskBackoff = d, d
			}
			return err
		},
		get: func(c *Config) any {
			if c.FlushBackoff != c.TaskBackoff {
				return unset
			}
			return short(c.FlushBackoff)
		},
	}
}

const idPattern = `P\d+(\.M\d+(\.T\d+(\.S\d+)?)?)?`

var itemID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^` + idPattern + `$`) })

// idList takes ids between commas, blanks around them allowed; `all` anywhere
// makes it nil.
func idList(field func(*Config) *[]string) kind {
	const allowed = "all, an id such as P1.M2.T3.S4, or a comma list of ids"
	const one = `\s*(all|` + idPattern + `)\s*`
	return parsed("ids", allowed, Values{Pattern: `^` + one + `(,` + one + `)*$`, List: true}, field, func(text string) ([]string, error) {
		var ids []string
		all := false
		for id := range strings.SplitSeq(text, ",") {
			id = strings.TrimSpace(id)
			switch {
			case id == "all":
				all = true
			case itemID().MatchString(id):
				ids = append(ids, id)
			default:
				return nil, refused(text, allowed)
			}
		}
		if all {
			return nil, nil
		}
		return ids, nil
	}, func(ids []string) any {
		if ids == nil {
			return "all"
		}
		return strings.Join(ids, ",")
	})
}

// short is a duration as people write it: 30m, where Go says 30m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
