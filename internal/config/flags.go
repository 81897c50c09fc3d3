package config

import (
	"github.com/spf13/pflag"
)

// configFlag names the file. It is a flag and a variable but no option: a file
// cannot say where it is.
const configFlag = "config"

// Register defines the flags of the named options on fs, or of all options and
// --config when none is named. "config" may be named too; an option with a
// negation brings it along (retry: --no-retry). The flags keep what was typed
// and never fail to parse, so that Load can report all bad values at once and
// in one form.
//
// It panics on a name that is not in the table and, as pflag does, on a flag
// that fs already has.
func Register(fs *pflag.FlagSet, names ...string) {
	wanted := make(map[string]bool)
	for _, n := range names {
		wanted[n] = true
	}
	all := len(names) == 0
	if all || wanted[configFlag] {
		delete(wanted, configFlag)
		fs.Var(&rawValue{flagType: "file"}, configFlag, "the configuration file; without it hacky.yaml is searched for")
	}
	for _, r := range rows() {
		if all || wanted[r.name] {
			delete(wanted, r.name)
			r.make().register(fs)
		}
	}
	for n := range wanted {
		panic("config: no option is named " + n)
	}
}

func (o option) register(fs *pflag.FlagSet) {
	usage := o.meaning
	if o.flagType != "bool" {
		usage += ": " + o.allowed
	}
	f := fs.VarPF(&rawValue{text: o.def, flagType: o.flagType}, o.name, "", usage)
	if o.flagType == "bool" {
		f.NoOptDefVal = "true"
	}
	if o.no != nil {
		f := fs.VarPF(&rawValue{text: "false", flagType: "bool"}, "no-"+o.name, "", "as --"+o.name+"=false")
		f.NoOptDefVal = "true"
	}
}

// rawValue is a pflag.Value that takes every text.
type rawValue struct {
	text     string
	flagType string
	given    bool
}

func (v *rawValue) String() string { return v.text }
func (v *rawValue) Type() string   { return v.flagType }

// Set keeps the last text. Lists add up instead: of `--scope A --scope B` nobody
// expects A to be forgotten.
func (v *rawValue) Set(text string) error {
	if v.given && v.flagType == "ids" {
		text = v.text + "," + text
	}
	v.text, v.given = text, true
	return nil
}
