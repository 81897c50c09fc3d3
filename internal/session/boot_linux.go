package session

import (
	"os"
	"strings"
)

// systemBoot is a text that is another one whenever the machine was started
// anew; "" if it cannot be told.
func systemBoot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
