module github.com/hacky-run/hacky

go 1.26
