// The program inside the test images: prints its platform and the SHA-256 of each file named, so that running a
// pulled image proves its content. `probe stamp FILE` writes a fixed text instead, for a RUN step without a shell.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "stamp" {
		return os.WriteFile(args[1], []byte("written while the image was built\n"), 0o644)
	}
	fmt.Printf("%s/%s\n", runtime.GOOS, runtime.GOARCH)
	for _, name := range args {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		hash := sha256.New()
		_, err = io.Copy(hash, file)
		file.Close()
		if err != nil {
			return err
		}
		fmt.Printf("%x  %s\n", hash.Sum(nil), name)
	}
	return nil
}
