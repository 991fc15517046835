package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The house has one obvious room per concern, and imports go one way. These
// tests keep it so; each names the rule it found broken.

const module = "usher"

// rooms says which other rooms a package may import, by the longest matching
// prefix. A room may always import what is below itself. nil: anything.
var rooms = map[string][]string{
	"scanner":      {},
	"scanner/gate": {"scanner"},
	"cache":        {"scanner"},
	"sync/journal": {"scanner"},
	"sync/clock":   {"scanner"},
	"sync/refresh": {"scanner"},
	"sync/link":    {"scanner"},
	"sync/upload":  {"scanner"},
	"vendors":      {"scanner"},
	"devices":      {"scanner"},
	"configs":      {},
	"cmd":          nil,
}

// leaves are rooms whose sub-folders are siblings that must not know each other
// nor the list that names them; shared is what they may use beside scanner.
var leaves = map[string][]string{
	"vendors": {"vendors/wire"},
	"devices": {"devices/keymap", "devices/report"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module+"/")
			if ours {
				if why := forbidden(from, to); why != "" {
					t.Errorf("%s imports %s: %s", from, to, why)
				}
			}
		}
	}
}

func TestForbiddenKnowsABrokenHouse(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		broken   bool
	}{
		{"scanner", "cache", true},
		{"scanner/gate", "scanner", false},
		{"scanner/gate", "sync/journal", true},
		{"cache", "cache/seal", false},
		{"sync/journal", "cache", true},
		{"vendors", "vendors/acme", false},
		{"vendors/acme", "vendors/wire", false},
		{"vendors/acme", "vendors/presence", true},
		{"vendors/acme", "vendors", true},
		{"vendors/acme", "vendors/acme/acmesim", true},
		{"cmd/vendorsim", "vendors/acme/acmesim", false},
		{"cmd/soak", "vendors/acme/acmesim", false},
		{"cmd/usher", "vendors/acme/acmesim", true},
		{"devices/serial", "devices/devicetest", true},
		{"configs", "scanner", true},
		{"cmd/usher", "sync/journal", false},
	} {
		if got := forbidden(tt.from, tt.to) != ""; got != tt.broken {
			t.Errorf("%s imports %s: broken %v, want %v", tt.from, tt.to, got, tt.broken)
		}
	}
}

func forbidden(from, to string) string {
	// The soak is a test that runs for minutes, outside of go test.
	if strings.HasSuffix(to, "sim") && from != "cmd/vendorsim" && from != "cmd/soak" {
		return "simulators are for tests, cmd/soak and cmd/vendorsim"
	}
	for root, shared := range leaves {
		if leaf, ok := strings.CutPrefix(from, root+"/"); ok {
			own := root + "/" + strings.Split(leaf, "/")[0]
			if to != "scanner" && !within(to, own) && !slices.Contains(shared, to) && !strings.HasSuffix(from, "test") {
				return "it may import scanner and " + strings.Join(shared, ", ")
			}
			return ""
		}
	}
	room := from
	allowed, known := rooms[room]
	for !known && strings.Contains(room, "/") {
		room = room[:strings.LastIndex(room, "/")]
		allowed, known = rooms[room]
	}
	switch {
	case !known:
		return "no rule is written for this room"
	case allowed == nil || within(to, room) || slices.Contains(allowed, to):
		return ""
	}
	return "it may import only " + strings.Join(append(allowed, "what is below "+room), ", ")
}

func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

func TestTopLevelHoldsOnlyTheHouse(t *testing.T) {
	want := []string{"LICENSE", "README.md", "cache", "cmd", "configs", "devices", "go.mod", "go.sum", "scanner", "scripts", "sync", "vendors"}
	out, err := exec.Command("git", "-C", "../..", "ls-files", "--cached").Output()
	if err != nil {
		t.Skipf("git is missing or this is no checkout: %v", err)
	}
	seen := map[string]bool{}
	for name := range strings.Lines(string(out)) {
		top := strings.Split(strings.TrimSpace(name), "/")[0]
		if !strings.HasPrefix(top, ".") {
			seen[top] = true
		}
	}
	for top := range seen {
		if !slices.Contains(want, top) {
			t.Errorf("top level holds %s", top)
		}
	}
	if files, _ := filepath.Glob("../../sync/*.go"); len(files) > 0 {
		t.Errorf("a package at sync/ shadows the standard one: %v", files)
	}
}

func TestSourceKeepsTheHouseRules(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := strings.Count(string(src), "\n"); n > 600 {
			t.Errorf("%s: %d lines: split it by concept", path, n)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
		ast.Inspect(file, func(n ast.Node) bool {
			if why := broken(name, n); why != "" {
				t.Errorf("%s: %s", set.Position(n.Pos()), why)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func broken(path string, n ast.Node) string {
	test := strings.HasSuffix(path, "_test.go")
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Name.Name == "init" && n.Recv == nil {
			return "init() registers behind the reader's back"
		}
	case *ast.StructType:
		for _, f := range n.Fields.List {
			if !test && isSelector(f.Type, "context", "Context") {
				return "a context in a struct outlives its call"
			}
		}
	case *ast.SelectorExpr:
		if !test && isSelector(n, "http", "DefaultTransport") {
			return "it speaks HTTP/2, and dials and reads for as long as it likes: use wire.NewTransport"
		}
	case *ast.CallExpr:
		if !test && strings.HasPrefix(path, "scanner/") && isSelector(n.Fun, "time", "Now") {
			return "the domain is given the time, it does not ask"
		}
	}
	return ""
}

func isSelector(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}
