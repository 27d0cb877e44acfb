//! Folders with everything that one should not trip over.

use super::*;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for path in ["src/deep/er", ".git", "docs"] {
        fs::create_dir_all(folder.path().join(path)).unwrap();
    }
    for (path, text) in [
        ("src/a.rs", "fn a() {}"),
        ("src/deep/b.rs", "fn b() {}"),
        ("src/deep/er/c.rs", ""),
        ("src/deep/er/c.md", "c"),
        (".git/config.rs", "secret"),
        ("docs/*.md", "a star is a character"),
        ("docs/x.md", "x"),
    ] {
        fs::write(folder.path().join(path), text).unwrap();
    }
    folder
}

fn content(text: &str) -> FileState {
    FileState::Content(ContentHash::of_bytes(text.as_bytes()))
}

fn names(folder: &Path, files: &[&str]) -> Vec<String> {
    file_states(folder, files, &FileLimits::default()).unwrap().into_keys().collect()
}

fn error(folder: &Path, file: &str) -> Error {
    file_states(folder, [file], &FileLimits::default()).unwrap_err()
}

#[test]
fn files_are_what_lies_there() {
    let folder = folder();
    let read = || {
        let files = ["./src/a.rs", "src/deep/er/c.rs", "src/gone.rs", "src/a.rs/x", "src/a.rs"];
        file_states(folder.path(), files, &FileLimits::default()).unwrap()
    };
    let mut expected = BTreeMap::from([
        ("src/a.rs".to_owned(), content("fn a() {}")),
        ("src/deep/er/c.rs".to_owned(), content("")),
        ("src/gone.rs".to_owned(), FileState::Absent),
        ("src/a.rs/x".to_owned(), FileState::Absent),
    ]);
    assert_eq!(read(), expected);
    fs::write(folder.path().join("src/a.rs"), "fn b() {}").unwrap();
    expected.insert("src/a.rs".to_owned(), content("fn b() {}"));
    assert_eq!(read(), expected, "of the same length, within the same second");
}

#[test]
fn patterns_find_files() {
    let folder = folder();
    let names = |files: &[&str]| names(folder.path(), files);
    assert_eq!(names(&["src/**/*.rs"]), ["src/a.rs", "src/deep/b.rs", "src/deep/er/c.rs"]);
    assert_eq!(names(&["src/*", "src/?.rs"]), ["src/a.rs"]);
    assert_eq!(names(&["**/c.*"]), ["src/deep/er/c.md", "src/deep/er/c.rs"]);
    assert_eq!(names(&[r"docs/\*.md"]), ["docs/*.md"]);
    assert_eq!(names(&["**"]).len(), 6, "all but those of git");
    assert_eq!(names(&[".git/**"]), [".git/config.rs"]);
    assert_eq!(names(&["none/**", "*.none"]), [""; 0]);
}

#[test]
fn what_is_read_has_bounds() {
    let folder = folder();
    let read = |limits: FileLimits, files: &[&str]| {
        file_states(folder.path(), files, &limits).map(|states| states.len()).map_err(|error| error.kind())
    };
    let default = FileLimits::default();
    let files = ["src/a.rs", "src/deep/*.rs", "src/a.rs", "none"];
    assert_eq!(read(FileLimits { max_file: 9, max_total: 18, max_files: 3, ..default }, &files), Ok(3));
    assert_eq!(read(FileLimits { max_file: 8, ..default }, &files), Err(ErrorKind::TooLarge));
    assert_eq!(read(FileLimits { max_total: 17, ..default }, &files), Err(ErrorKind::TooLarge));
    assert_eq!(read(FileLimits { max_files: 2, ..default }, &files), Err(ErrorKind::TooLarge));
    // src, .git, docs; a.rs, deep; b.rs, er
    assert_eq!(read(FileLimits { max_names: 7, ..default }, &["src/deep/*.rs"]), Ok(1));
    assert_eq!(read(FileLimits { max_names: 6, ..default }, &["src/deep/*.rs"]), Err(ErrorKind::TooLarge));
    assert_eq!(read(FileLimits { max_file: u64::MAX, max_total: u64::MAX, ..default }, &files), Ok(3));
}

#[test]
fn nothing_outside_is_read() {
    let folder = folder();
    for path in ["", ".", "..", "../x", "src/../../x", "/etc/hostname", "src", "src/deep/"] {
        assert_eq!(error(folder.path(), path).kind(), ErrorKind::InvalidValue, "{path}");
    }
    assert_eq!(error(&folder.path().join("none"), "x").kind(), ErrorKind::NotFound);
    let shown = error(folder.path(), "../a\u{1b}").to_string();
    assert!(shown.starts_with("`../a\\u{1b}` leaves the directory"), "{shown}");
    assert!(
        error(folder.path(), "src").to_string().ends_with("is a folder; name what is in it, with `/**` at the end")
    );
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_inside_are_followed_and_links_outside_are_not() {
        let (folder, other) = (folder(), folder());
        let link = |to: &Path, from: &str| symlink(to, folder.path().join(from)).unwrap();
        link("src/a.rs".as_ref(), "inside");
        link("none".as_ref(), "broken");
        link("loop".as_ref(), "loop");
        let files = file_states(folder.path(), ["inside", "src/a.rs", "broken"], &FileLimits::default()).unwrap();
        assert_eq!((&files["inside"], &files["broken"]), (&files["src/a.rs"], &FileState::Absent));
        assert_eq!(names(folder.path(), &["b*", "in*"]), ["broken", "inside"], "a pattern finds them too");
        assert_eq!(error(folder.path(), "loop").kind(), ErrorKind::Io);

        link(&other.path().join("src/a.rs"), "docs/out.rs");
        link(&other.path().join("src"), "docs/out");
        for path in ["docs/out.rs", "docs/*.rs", "docs/out/a.rs", "docs/*/a.rs", "docs/**/a.rs"] {
            let error = error(folder.path(), path);
            assert_eq!(error.kind(), ErrorKind::InvalidValue, "{path}");
            assert!(error.to_string().ends_with("leads out of the folder"), "{error}");
        }
        assert_eq!(names(folder.path(), &["docs/x*"]), ["docs/x.md"], "it does not matter what is not sought");
        assert_eq!(error("/dev".as_ref(), "null").kind(), ErrorKind::InvalidValue);
    }

    #[test]
    fn circles_end() {
        let folder = folder();
        let link = |to: &str, from: &str| symlink(to, folder.path().join(from)).unwrap();
        link("..", "src/up");
        link(".", "src/same");
        link("../../docs", "src/deep/over");
        link("../src/deep", "docs/back");
        let names = names(folder.path(), &["**/*.rs"]);
        assert!(names.contains(&"docs/back/b.rs".to_owned()) && names.contains(&"src/a.rs".to_owned()), "{names:?}");
        assert!(names.len() < 30, "{names:?}");
    }

    #[test]
    fn a_pipe_does_not_stop_it() {
        let folder = folder();
        let pipe = folder.path().join("src/pipe.rs");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in ["src/pipe.rs", "src/*.rs"] {
            assert!(error(folder.path(), path).to_string().ends_with("is no file"));
        }
    }
}
