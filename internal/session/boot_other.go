//go:build unix && !linux

package session

import "golang.org/x/sys/unix"

// systemBoot is a text that is another one whenever the machine was started
// anew; "" if it cannot be told.
func systemBoot() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
