package seen

import (
	"io/fs"
	"os"
	"path/filepath"
)

// openReadOnly opens the state as it is, which may be in use.
func (s *Store) openReadOnly(dir string) (*Store, Report, error) {
	var r Report
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, r, err
	}
	s.folder = &folder{path: path}
	f, err := openFile(s.folder.file(stateName), os.O_RDONLY, 0)
	if err != nil {
		return nil, r, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer f.Close()
	x, _, err := diagnose(f, false)
	if err != nil {
		return nil, r, err
	}
	s.adopt(x, &r)
	close(s.stopped)
	return s, r, nil
}

// openRead opens the file for reading by pages, beside bbolt. s.io is held.
func (s *Store) openRead() (f *pageFile, done func(), err error) {
	file, err := openFile(s.folder.file(stateName), os.O_RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil {
		f, err = openPages(file, info.Size())
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return f, func() { file.Close() }, nil
}
