// Package ui shows people and programs what happens: progress of a run, its
// summary, and tables. Writers are handed in; nothing is read and nothing is
// decided here. Text for people is cut to the terminal's width and stripped of
// control characters, as titles and output are anybody's text. What is printed
// as JSON has camelCase keys that do not change.
package ui
