// SPDX-License-Identifier: Apache-2.0

// judge checks a ledger's proofs with the code of the Go checksum database (golang.org/x/mod/sumdb:
// note and tlog), which knows nothing of pledged. Only the layout of the C2SP tiles and of the
// checkpoint's three lines is written here, from their specifications.
//
//	judge note VKEY FILE                     a signed note verifies
//	judge tree VKEY DIR [OLDER]              a tile tree on disk: the checkpoint verifies, every
//	                                         entry bundle hashes to the tree's leaves, every tile
//	                                         leads to the root; and it extends the checkpoint OLDER
//	judge proof VKEY FILE                    a .tlog-proof with the entry in its `extra` line
//
// Exit: 0 right, 1 wrong (the reason on standard error), 64 usage.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight, tileWidth = 8, 256

func openCheckpoint(vkey string, text []byte) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("the checkpoint has %d lines, not three", len(lines)-1)
	}
	if lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("origin %q is not the key's name %q", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("size %q is not a plain number", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("the root is not 32 bytes in base64")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// tilePath is the C2SP form: "x001/x234/067", with ".p/W" behind it for a partial one.
func tilePath(kind string, n int64, width int) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	if width < tileWidth {
		text += fmt.Sprintf(".p/%d", width)
	}
	return "tile/" + kind + "/" + text
}

// directory reads tiles; tlog asks for them in its own naming and checks each against the root.
type directory struct{ root string }

func (d directory) Height() int                                  { return tileHeight }
func (d directory) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := filepath.Join(d.root, tilePath(strconv.Itoa(tile.L), tile.N, tile.W))
		data, err := os.ReadFile(path)
		if err != nil && tile.W < tileWidth {
			// the full tile may have taken the place of a partial one
			data, err = os.ReadFile(filepath.Join(d.root, tilePath(strconv.Itoa(tile.L), tile.N, tileWidth)))
			if len(data) > tile.W*tlog.HashSize {
				data = data[:tile.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s holds %d bytes, not %d", path, len(data), tile.W*tlog.HashSize)
		}
		all = append(all, data)
	}
	return all, nil
}

func bundle(root string, n int64, width int) ([][]byte, error) {
	path := filepath.Join(root, tilePath("entries", n, width))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s is cut", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != width {
		return nil, fmt.Errorf("%s holds %d entries, not %d", path, len(entries), width)
	}
	return entries, nil
}

func checkTree(vkey, dir string, older []string) error {
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(vkey, text)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, directory{dir})
	for n := int64(0); n*tileWidth < tree.N; n++ {
		width := tileWidth
		if tree.N-n*tileWidth < tileWidth {
			width = int(tree.N - n*tileWidth)
		}
		entries, err := bundle(dir, n, width)
		if err != nil {
			return err
		}
		var indexes []int64
		for i := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, n*tileWidth+int64(i)))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != hashes[i] {
				return fmt.Errorf("entry %d does not hash to its leaf", n*tileWidth+int64(i)+1)
			}
		}
	}
	for _, file := range older {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		old, err := openCheckpoint(vkey, text)
		if err != nil {
			return err
		}
		if old.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("the tree does not extend %s: %v", file, err)
		}
	}
	fmt.Printf("%d entries\n", tree.N)
	return nil
}

func checkProof(vkey, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a tlog-proof with an extra line")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || !strings.HasPrefix(lines[1], "extra ") {
		return errors.New("the extra line does not hold an entry")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil || !strings.HasPrefix(lines[2], "index ") {
		return errors.New("the index line is wrong")
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(vkey, []byte(checkpoint))
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(extra))
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "note":
		text, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		tree, err := openCheckpoint(args[1], text)
		if err == nil {
			fmt.Println(tree.N)
		}
		return err
	case (len(args) == 3 || len(args) == 4) && args[0] == "tree":
		return checkTree(args[1], args[2], args[3:])
	case len(args) == 3 && args[0] == "proof":
		return checkProof(args[1], args[2])
	}
	fmt.Fprintln(os.Stderr, "usage: judge note|tree|proof VKEY FILE|DIR [OLDER]")
	os.Exit(64)
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}
