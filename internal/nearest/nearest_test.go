package nearest

import "testing"

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"same", "same", 0}, {"kitten", "sitting", 3}, {"ab", "ba", 2}, {"flush-retry", "flush-retries", 3},
	}
	for _, tt := range tests {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"argv", "prompt", "credential"}
	tests := []struct{ word, want string }{
		{"argvs", `did you mean "argv"?`},
		{"Credential", `did you mean "credential"?`},
		{"credentiel", `did you mean "credential"?`},
		{"zzzzzzzz", `the nearest known key is "argv"`},
	}
	for _, tt := range tests {
		if got := Suggest(tt.word, known); got != tt.want {
			t.Errorf("Suggest(%q) = %s, want %s", tt.word, got, tt.want)
		}
	}
}
