package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"time"
)

func fail(format string, values ...interface{}) {
	_, file, line, _ := runtime.Caller(2)
	fmt.Fprintf(os.Stderr, "%s:%d: %s\n", file, line, fmt.Sprintf(format, values...))
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fail("%T: %v", err, err)
	}
}

func equal(actual, expected interface{}) {
	if !reflect.DeepEqual(actual, expected) {
		fail("%#v, expected %#v", actual, expected)
	}
}

// The error is of the type of the sample.
func refused(err, sample error) {
	if reflect.TypeOf(err) != reflect.TypeOf(sample) {
		fail("%T (%v), expected %T", err, err, sample)
	}
}

func eventually(what string, isSo func() bool) {
	for end := time.Now().Add(time.Minute); !isSo(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			fail("not in time: %s", what)
		}
	}
}
