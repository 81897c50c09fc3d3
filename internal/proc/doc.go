// Package proc reads the process table, as far as Linux shows it in /proc:
// which processes there are, who their parents, groups and sessions are, when
// they began and what their environment was. What ends while it is looked at
// is an error and not a guess. Other systems have no such table here; there
// the package is empty.
package proc
