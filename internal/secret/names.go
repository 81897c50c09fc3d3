package secret

import (
	"os"
	"path/filepath"
	"strings"
)

// IsSecretName says whether a variable of that name holds a secret: one that
// contains KEY, TOKEN, SECRET, PASSWORD, PASSWD, PASSPHRASE or CREDENTIAL, or
// ends in _AUTH, _PASS, _PWD or _PAT, in whatever case. The second list is for
// the end only, or GIT_AUTHOR_NAME, GEMINI_DEFAULT_AUTH_TYPE, PATH and PWD
// would be secrets.
func IsSecretName(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range []string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	for _, end := range []string{"_AUTH", "_PASS", "_PWD", "_PAT"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// shortest is the shortest value that is masked. Shorter ones stand in ordinary
// text by chance, and no service gives out any.
const shortest = 6

// isPlain says that a value is no secret, whatever its variable is called:
//   - shorter than 6 bytes;
//   - one character over and over: a placeholder, or what rulers are made of;
//   - a word that settings have for values;
//   - a number with a fraction, or any number if the name says TOKENS: those
//     are limits and prices (MAX_THINKING_TOKENS), other digits may be a PIN;
//   - the absolute path of something that exists: the secret is in the file
//     (SSH_AUTH_SOCK, GOOGLE_APPLICATION_CREDENTIALS).
func isPlain(name, value string) bool {
	if len(value) < shortest || strings.Count(value, value[:1]) == len(value) {
		return true
	}
	switch strings.ToLower(value) {
	case "disabled", "disable", "enabled", "enable", "default", "always", "required", "optional", "bearer", "unlimited", "undefined", "preferred":
		return true
	}
	if isDigits(value) && strings.Contains(strings.ToUpper(name), "TOKENS") {
		return true
	}
	if whole, fraction, ok := strings.Cut(value, "."); ok && isDigits(whole) && isDigits(fraction) {
		return true
	}
	if filepath.IsAbs(value) {
		if _, err := os.Lstat(value); err == nil {
			return true
		}
	}
	return false
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
