//go:build !linux

package doctor

import "errors"

func mountSmall(string, int64) (unmount func() error, err error) {
	return nil, errors.New("there is no tmpfs on this system")
}
