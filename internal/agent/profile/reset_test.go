package profile

import (
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestParseReset(t *testing.T) {
	ny := zone(t, "America/New_York")
	at := func(loc *time.Location, s string) time.Time {
		t.Helper()
		when, err := time.ParseInLocation("2006-01-02 15:04:05", s, loc)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	noon := at(time.UTC, "2026-11-23 12:00:00") // a Monday
	tests := []struct {
		text string
		now  time.Time
		loc  *time.Location
		want string // in UTC; "": none
	}{
		// Points in time.
		{"Claude AI usage limit reached|1795440000", noon, nil, "2026-11-23 13:20:00"},
		{"usage limit reached|1795440000000", noon, nil, "2026-11-23 13:20:00"},
		{"1795440000", noon, nil, "2026-11-23 13:20:00"},
		{`{"resets_at":1795440000,"request":1795449999}`, noon, nil, "2026-11-23 13:20:00"},
		{"request 1795440000 failed", noon, nil, ""},
		{"usage limit reached|1763942400", noon, nil, ""}, // a year ago
		{"resets at 2026-11-23T13:20:00Z", noon, nil, "2026-11-23 13:20:00"},
		{"resets at 2026-11-23T14:20:00.123456+01:00.", noon, nil, "2026-11-23 13:20:00"},
		{"2026-11-23 08:20", noon, ny, "2026-11-23 13:20:00"},
		{"resets on 2026-11-25", noon, nil, "2026-11-25 00:00:00"},
		{"2026-11-23T11:00:00Z ERROR limit, try again at 2026-11-23T13:20:00Z", noon, nil, "2026-11-23 13:20:00"},
		{"2026-11-23T12:00:00Z ERROR something else", noon, nil, ""},
		{"retry-after: Mon, 23 Nov 2026 13:20:00 GMT", noon, nil, "2026-11-23 13:20:00"},
		// Spans.
		{"retry-after: 4800", noon, nil, "2026-11-23 13:20:00"},
		{`"retry-after":"4800"`, noon, nil, "2026-11-23 13:20:00"},
		{"Retry-After-Ms: 4800000", noon, nil, "2026-11-23 13:20:00"},
		{"retry after 80 minutes", noon, nil, "2026-11-23 13:20:00"},
		{`"retryDelay": "4800s"`, noon, nil, "2026-11-23 13:20:00"},
		{"in 2 hours", noon, nil, "2026-11-23 14:00:00"},
		{"Try again in 3 days 4 hours 5 minutes.", noon, nil, "2026-11-26 16:05:00"},
		{"try again in 3 days, 4 hours, and 5 minutes", noon, nil, "2026-11-26 16:05:00"},
		{"in 45s", noon, nil, "2026-11-23 12:00:45"},
		{"Please try again in 6m0s.", noon, nil, "2026-11-23 12:06:00"},
		{"Please retry in 47.143958509s", noon, nil, "2026-11-23 12:00:47"},
		{"resets in 2h 13m", noon, nil, "2026-11-23 14:13:00"},
		{"resets 2h13m", noon, nil, "2026-11-23 14:13:00"},
		{"wait about 1 hour", noon, nil, "2026-11-23 13:00:00"},
		{"try again in\u00a03\u202fminutes", noon, nil, "2026-11-23 12:03:00"},
		{"in 1 week", noon, nil, "2026-11-30 12:00:00"},
		{"Retrying in 5 seconds", noon, nil, ""},
		{"Retrying in 5 seconds\nlimit, try again in 9 seconds", noon, nil, "2026-11-23 12:00:09"},
		{"in 5 months", noon, nil, ""},
		{"in 61 days", noon, nil, ""},
		{"in 999999999 weeks", noon, nil, ""},
		// Clock times.
		{"You’ve hit your session limit · resets 4:20am (America/New_York)", noon, nil, "2026-11-24 09:20:00"},
		{"resets 4am", noon, nil, "2026-11-24 04:00:00"},
		{"resets 4am", noon, ny, "2026-11-24 09:00:00"},
		{"resets at 4 p.m. (utc)", noon, nil, "2026-11-23 16:00:00"},
		{"resets 16:30 UTC", noon, ny, "2026-11-23 16:30:00"},
		{"resets 4pm PST", noon, nil, "2026-11-24 00:00:00"},
		{"resets 4:30pm +05:30", noon, nil, "2026-11-24 11:00:00"},
		{"You’ve hit your usage limit … try again at 11:37 PM", noon, nil, "2026-11-23 23:37:00"},
		{"try again at 11:37\u202fPM.", noon, nil, "2026-11-23 23:37:00"},
		{"try again at 11:37 PM", at(time.UTC, "2026-11-23 23:38:00"), nil, "2026-11-23 23:38:00"}, // just past is now
		{"try again at 11:37 PM", at(time.UTC, "2026-11-23 23:43:00"), nil, "2026-11-24 23:37:00"},
		{"try again at 11:59 PM", at(time.UTC, "2026-11-24 00:01:00"), nil, "2026-11-24 00:01:00"},
		{"resets 12am", at(time.UTC, "2026-11-23 23:59:00"), nil, "2026-11-24 00:00:00"},
		{"resets 12pm", at(time.UTC, "2026-11-23 11:00:00"), nil, "2026-11-23 12:00:00"},
		{"resets 12:15am", at(time.UTC, "2026-12-31 23:00:00"), nil, "2027-01-01 00:15:00"},
		{"resets 9am (Mars/Base)", noon, ny, "2026-11-23 14:00:00"},
		{"resets 4am (../../etc/passwd)", noon, nil, "2026-11-24 04:00:00"},
		{"resets 25:00", noon, nil, ""},
		{"resets 13pm", noon, nil, ""},
		{"resets 4:61am", noon, nil, ""},
		{"resets soon", noon, nil, ""},
		{"12:13:14 ERROR no", noon, nil, ""},
		{"5-hour limit reached ∙ resets 3pm", noon, nil, "2026-11-23 15:00:00"},
		{"resets Monday 9am", noon, nil, "2026-11-30 09:00:00"},
		{"resets Mon 3pm", noon, nil, "2026-11-23 15:00:00"},
		{"resets tomorrow at 9am", noon, nil, "2026-11-24 09:00:00"},
		// Dates.
		{"resets Nov 24, 4am (UTC)", noon, nil, "2026-11-24 04:00:00"},
		{"resets November 24 at 4:05 PM (America/New_York)", noon, nil, "2026-11-24 21:05:00"},
		{"try again at Nov 25th, 2026 11:37 PM", noon, nil, "2026-11-25 23:37:00"},
		{"try again at Nov 25th, 2026 11:37 PM", noon, ny, "2026-11-26 04:37:00"},
		{"resets 24 Nov 2026, 04:00", noon, nil, "2026-11-24 04:00:00"},
		{"resets Jan 2, 4am (UTC)", at(time.UTC, "2026-12-30 12:00:00"), nil, "2027-01-02 04:00:00"},
		{"resets Dec 31, 11:59pm", at(time.UTC, "2027-01-01 00:02:00"), nil, "2027-01-01 00:02:00"},
		{"resets Nov 25", noon, nil, "2026-11-25 00:00:00"},
		{"resets Nov 25, 3 requests left", noon, nil, "2026-11-25 00:00:00"},
		{"resets Feb 30, 4am", at(time.UTC, "2026-02-20 12:00:00"), nil, ""},
		{"resets Nov 22, 4am", noon, nil, ""}, // next year's is too far
		// Clocks that change: New York, 8 March and 1 November 2026.
		{"resets 2:30am", at(ny, "2026-03-08 01:00:00"), ny, "2026-03-08 07:30:00"},       // skipped: 3:30
		{"resets 1:30am", at(ny, "2026-11-01 00:00:00"), ny, "2026-11-01 05:30:00"},       // the first of two
		{"resets 1:30am", at(time.UTC, "2026-11-01 06:00:00"), ny, "2026-11-01 06:30:00"}, // the second
		{"resets 4am", at(ny, "2026-10-31 12:00:00"), ny, "2026-11-01 09:00:00"},
		{"resets 4am", at(ny, "2026-03-07 12:00:00"), ny, "2026-03-08 08:00:00"},
		{"", noon, nil, ""},
		{strings.Repeat("x", 1<<20) + " resets 3pm", noon, nil, "2026-11-23 15:00:00"},
	}
	for _, tt := range tests {
		loc := tt.loc
		if loc == nil {
			loc = time.UTC
		}
		got, ok := ParseReset(tt.text, tt.now, loc)
		text := ""
		if ok {
			text = got.UTC().Format("2006-01-02 15:04:05")
		}
		if text != tt.want {
			t.Errorf("%.80q at %v: %q, want %q", tt.text, tt.now, text, tt.want)
		}
	}
	if found, _ := parseReset("resets 9am (Mars/Base)", noon, time.UTC); !strings.Contains(found.note, "Mars/Base") {
		t.Errorf("nobody hears that there is no such zone: %q", found.note)
	}
}

func FuzzParseReset(f *testing.F) {
	for _, s := range []string{
		"usage limit reached|1795440000", "resets 4:20am (America/New_York)", "resets Nov 24, 4am (UTC)", "try again at Nov 25th, 2026 11:37 PM",
		"in 3 days 4 hours 5 minutes", "retry-after: Mon, 23 Nov 2026 13:20:00 GMT", "2026-11-23T14:20:00.123456+01:00", "resets 2:30am", "resets Mon 3pm +99:99",
	} {
		f.Add(s, int64(1795435200))
	}
	ny := zone(f, "America/New_York")
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		now := time.Unix(unix%(1<<33), 0)
		until, ok := ParseReset(s, now, ny)
		if ok && (until.Before(now) || until.After(now.Add(MaxReset))) || !ok && !until.IsZero() {
			t.Errorf("%q at %v: %v, %v", s, now, until, ok)
		}
	})
}
