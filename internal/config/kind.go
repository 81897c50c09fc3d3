package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// kind is how a text becomes a value in Config, and back. set changes nothing
// when it returns an error; the error is the end of a sentence that starts with
// where the text was.
type kind struct {
	flagType string // what --help calls the value
	allowed  string // ends the sentence `"x" is not ...`
	set      func(c *Config, text string) error
	get      func(c *Config) any // an int, bool or string
}

const none = "none"

// parsed makes a kind of a parser and a field; show turns the field's value
// into what is listed.
func parsed[T any](flagType, allowed string, field func(*Config) *T, parse func(string) (T, error), show func(T) any) kind {
	return kind{
		flagType: flagType,
		allowed:  allowed,
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
var decimal = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

func parseInteger(text string, least, most int, allowed string) (int, error) {
	n, err := strconv.Atoi(text)
	if !decimal.MatchString(text) || err != nil || n < least || n > most {
		return 0, refused(text, allowed)
	}
	return n, nil
}

func integer(least, most int, field func(*Config) *int) kind {
	allowed := fmt.Sprintf("an integer between %d and %d", least, most)
	return parsed("int", allowed, field, func(text string) (int, error) {
		return parseInteger(text, least, most, allowed)
	}, asIs)
}

// limit is a count that may be none, kept as 0. A typed 0 is refused: it could
// as well mean "not a single one".
func limit(field func(*Config) *int) kind {
	const allowed = "none or an integer of at least 1"
	return parsed("int", allowed, field, func(text string) (int, error) {
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
	return parsed("bool", "true or false", field, parseBoolean, asIs)
}

// not is the kind of `no-x`: the same field, the other way round.
func not(field func(*Config) *bool) *kind {
	k := parsed("bool", "true or false", field, func(text string) (bool, error) {
		b, err := parseBoolean(text)
		return !b, err
	}, asIs)
	return &k
}

func oneOf(field func(*Config) *string, words ...string) kind {
	allowed := "one of " + strings.Join(words, ", ")
	return parsed("string", allowed, field, func(text string) (string, error) {
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
	return parsed("string", allowed, field, func(text string) (string, error) {
		switch {
		case text == none:
			return "", nil
		case !commandName.MatchString(text):
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
	return parsed("string", allowed, field, func(text string) (string, error) { return text, nil }, asIs)
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
	if decimal.MatchString(text) {
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
	return parsed("duration", s.allowed(), field, s.parse, s.show)
}

// backoff sets two fields with one text, whose defaults differ. The text that
// names both defaults is accepted, so that what is listed can be typed.
func backoff() kind {
	const unset = "100ms flush, 1s tasks"
	s := span{least: 100 * time.Millisecond, most: time.Minute, bareMillis: true}
	return kind{
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

var itemID = regexp.MustCompile(`^P\d+(\.M\d+(\.T\d+(\.S\d+)?)?)?$`)

// idList takes ids between commas, blanks around them allowed; `all` anywhere
// makes it nil.
func idList(field func(*Config) *[]string) kind {
	const allowed = "all, an id such as P1.M2.T3.S4, or a comma list of ids"
	return parsed("ids", allowed, field, func(text string) ([]string, error) {
		var ids []string
		all := false
		for id := range strings.SplitSeq(text, ",") {
			id = strings.TrimSpace(id)
			switch {
			case id == "all":
				all = true
			case itemID.MatchString(id):
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
