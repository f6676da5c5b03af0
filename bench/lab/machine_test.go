package lab

import (
	"reflect"
	"regexp"
	"runtime"
	"testing"
)

// Whatever differs, it is another machine.
func TestMachineIDDependsOnEveryField(t *testing.T) {
	base := ThisMachine()
	if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(base.ID()) {
		t.Errorf("the id is %q, want 8 hexadecimal digits", base.ID())
	}
	if again := ThisMachine(); again != base {
		t.Errorf("asked twice, the machine is %+v and %+v", base, again)
	}
	for i := range reflect.TypeFor[Machine]().NumField() {
		other := base
		field := reflect.ValueOf(&other).Elem().Field(i)
		switch field.Kind() {
		case reflect.String:
			field.SetString(field.String() + "x")
		case reflect.Int:
			field.SetInt(field.Int() + 1)
		case reflect.Bool:
			field.SetBool(!field.Bool())
		default:
			t.Fatalf("a field of kind %s is not covered", field.Kind())
		}
		if other.ID() == base.ID() {
			t.Errorf("another %s does not change the id", reflect.TypeFor[Machine]().Field(i).Name)
		}
	}
}

func TestThisMachineIsDescribed(t *testing.T) {
	m := ThisMachine()
	if m.CPUs < 1 || m.GoArch == "" || m.CPULimit == "" {
		t.Errorf("the machine is %+v", m)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if m.MemoryGB < 1 || m.Kernel == "" {
		t.Errorf("the machine is %+v", m)
	}
	if storageOf("/proc/self") != "proc" || storageOf("/") == "" {
		t.Errorf("/proc lies on %q and / on %q", storageOf("/proc/self"), storageOf("/"))
	}
}
