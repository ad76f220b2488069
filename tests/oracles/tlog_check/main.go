// Tlog_check verifies a published log with the code of Go's checksum database.
//
//	tlog_check DIRECTORY VERIFIER-KEY [KEPT-CHECKPOINT]
//
// It checks the checkpoint's signature, that every entry's hash is the one in the tiles, that
// the tiles lead to the signed root, inclusion proofs of entries all over the log, and that the
// kept checkpoint is of the same history. The tree, its proofs and the notes are not ours:
// golang.org/x/mod/sumdb/{tlog,note}; here is only how the files are laid out.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

// files reads the tiles of a directory for tlog.TileHashReader, which authenticates them.
type files string

func (dir files) Height() int                     { return 8 }
func (dir files) SaveTiles([]tlog.Tile, [][]byte) {}
func (dir files) read(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(dir), path))
}
func (dir files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for i, tile := range tiles {
		// Go's paths name the height of its tiles, which tlog-tiles fixes and leaves out.
		data, err := dir.read(strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		read[i] = data
	}
	return read, nil
}

// entries returns those of one bundle.
func (dir files) entries(n int64, w int) ([][]byte, error) {
	path := strings.Replace(tlog.Tile{H: 8, L: 0, N: n, W: w}.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := dir.read(path)
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s is cut", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found, data = append(found, data[2:end]), data[end:]
	}
	if len(found) != w {
		return nil, fmt.Errorf("%s has %d entries instead of %d", path, len(found), w)
	}
	return found, nil
}

// open verifies a signed checkpoint and returns its tree.
func open(path string, key note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", key.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("not a root: %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// checkEntries compares every entry with the tiles, and proves the first of each bundle.
func checkEntries(dir files, tree tlog.Tree, hashes tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += width {
		w := width
		if tree.N-first < width {
			w = int(tree.N - first)
		}
		entries, err := dir.entries(first/width, w)
		if err != nil {
			return err
		}
		indexes := make([]int64, w)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		leaves, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != leaves[i] {
				return fmt.Errorf("entry %d is not the one in the tree", first+int64(i))
			}
		}
		proof, err := tlog.ProveRecord(tree.N, first, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, first, leaves[0]); err != nil {
			return err
		}
	}
	return nil
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("expected: DIRECTORY VERIFIER-KEY [KEPT-CHECKPOINT]")
	}
	key, err := note.NewVerifier(args[1])
	if err != nil {
		return err
	}
	tree, err := open(filepath.Join(args[0], "checkpoint"), key)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, files(args[0]))
	if err := checkEntries(files(args[0]), tree, hashes); err != nil {
		return err
	}
	if len(args) > 2 {
		kept, err := open(args[2], key)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, kept.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, kept.N, kept.Hash); err != nil {
			return err
		}
	}
	fmt.Printf("%d entries verified\n", tree.N)
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
