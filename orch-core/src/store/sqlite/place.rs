//! Where a store lies, and where it must not.

use std::{
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

use crate::error::{Error, ErrorKind, Result};

/// The default place of the store for work in `directory`: in the repository's common folder, so that all its worktrees share
/// one store and none commits it; else in `data`, the user's folder for data of programs.
///
/// The files of git are read, no program is started. `None` if there is neither.
pub fn default_path(directory: &Path, data: Option<&Path>) -> Option<PathBuf> {
    let common = directory.ancestors().find_map(|folder| common_folder(&folder.join(".git")));
    Some(common.or_else(|| data.map(Path::to_owned))?.join("orch").join("orch.db"))
}

/// The place that was named, seen from `here`; without a name, or with an empty one, the [default place](default_path), for which
/// `variable` is asked where programs keep data of the user: `XDG_DATA_HOME`, `LOCALAPPDATA`, `HOME`.
///
/// ```
/// use std::path::Path;
/// use orch_core::store::sqlite::store_path;
///
/// let (here, home) = (Path::new("/"), |name: &str| (name == "HOME").then(|| "/home/ann".into()));
/// assert_eq!(store_path(None, here, home)?, Path::new("/home/ann/.local/share/orch/orch.db"));
/// assert_eq!(store_path(Some(Path::new("runs.db")), here, home)?, Path::new("/runs.db"));
/// # Ok::<(), orch_core::Error>(())
/// ```
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) where nothing is named and there is neither a repository nor such a folder.
pub fn store_path(named: Option<&Path>, here: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Ok(here.join(path));
    }
    let folder = |name| variable(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let data = folder("XDG_DATA_HOME")
        .or_else(|| folder("LOCALAPPDATA"))
        .or_else(|| folder("HOME").map(|home| home.join(".local/share")));
    default_path(here, data.as_deref()).ok_or_else(|| {
        let message = "there is no repository and no home folder to keep runs in; name a file for the store";
        Error::new(ErrorKind::NotFound, message)
    })
}

/// The commit on which work in `directory` stands, as 40 or 64 hexadecimal digits: for what a cache says of its entries. Read from the
/// files of git, no program is started. `None` without a repository, before the first commit, and where references are kept in
/// tables of their own format (`reftable`).
pub fn head_commit(directory: &Path) -> Option<String> {
    let (own, common) = directory.ancestors().find_map(|folder| folders(&folder.join(".git")))?;
    let is_commit = |text: &str| matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let read = |path: PathBuf| Some(fs::read_to_string(path).ok()?.trim().to_owned());
    let mut text = read(own.join("HEAD"))?;
    // A reference may stand for another one.
    for _ in 0..5 {
        let Some(name) = text.strip_prefix("ref:").map(|name| name.trim().to_owned()) else { break };
        let packed = || {
            let all = read(common.join("packed-refs"))?;
            let line = all.lines().find_map(|line| line.split_once(' ').filter(|(_, known)| *known == name))?;
            Some(line.0.to_owned())
        };
        // A name is part of a path; one that leads out of the folder is none.
        let safe = Path::new(&name).components().all(|part| matches!(part, Component::Normal(_)));
        text = safe.then(|| read(own.join(&name)).or_else(|| read(common.join(&name))).or_else(packed))??;
    }
    is_commit(&text).then_some(text)
}

/// The common folder of a repository, by the `.git` in its work tree: a folder, or in linked worktrees a file that names one.
fn common_folder(git: &Path) -> Option<PathBuf> {
    folders(git).map(|(_, common)| common)
}

/// The folder of a work tree, and the common one of its repository.
fn folders(git: &Path) -> Option<(PathBuf, PathBuf)> {
    let about = fs::metadata(git).ok()?;
    let own = if about.is_dir() {
        git.to_owned()
    } else {
        let text = fs::read_to_string(git).ok()?;
        let named = Path::new(text.strip_prefix("gitdir:")?.trim());
        git.parent()?.join(named)
    };
    let common = match fs::read_to_string(own.join("commondir")) {
        Ok(text) => own.join(text.trim()),
        Err(_) => own.clone(),
    };
    // A folder of that name is not yet a repository.
    common.join("HEAD").is_file().then(|| (plain(&own), plain(&common)))
}

/// Without `.` and `..`, where they can be left out.
fn plain(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes the folder, for its owner alone; one that is there stays as it is.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// File systems that other computers may write to as well.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "ceph",
    "cifs",
    "coda",
    "drvfs",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
    "vboxsf",
];

/// The kind of the network file system that a path lies on; `None` if it lies on none, or the system does not say (only Linux
/// is asked).
pub fn network_file_system(path: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // The file may not be there yet; the folder that will hold it is asked.
    let full = std::path::absolute(path).ok()?;
    let there = full.ancestors().find_map(|folder| fs::canonicalize(folder).ok())?;
    kind_of(&mounts, &there).filter(|kind| NETWORK.contains(&kind.as_str()))
}

/// The kind of the file system of a path, by the lines of `mountinfo`. Of several mounts on one place the last counts.
fn kind_of(mounts: &str, path: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((place, kinds)) = line.split_once(" - ") else { continue };
        let (Some(place), Some(kind)) = (place.split(' ').nth(4), kinds.split(' ').next()) else { continue };
        let place = PathBuf::from(unescaped(place));
        let depth = place.components().filter(|part| !matches!(part, Component::CurDir)).count();
        if path.starts_with(&place) && best.is_none_or(|(best, _)| depth >= best) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// Blanks and the like are written as `\040`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                out += part.get(3..).unwrap_or_default();
            }
            None => {
                out.push('\\');
                out += part;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
31 22 0:40 / /home/ann rw,relatime - nfs4 server:/ann rw
32 31 0:41 / /home/ann/my\\040disk rw - xfs /dev/vdb rw
33 22 0:42 / /mnt rw - ext4 /dev/vdc rw
34 33 0:43 / /mnt rw - fuse.sshfs there:/ rw
";

    #[test]
    fn the_nearest_mount_says_the_kind() {
        for (path, kind) in [
            ("/srv/orch.db", "ext4"),
            ("/home/ann", "nfs4"),
            ("/home/ann/x", "nfs4"),
            ("/home/anna/x", "ext4"),
            ("/home/ann/my disk/x", "xfs"),
            ("/mnt/x", "fuse.sshfs"),
        ] {
            assert_eq!(kind_of(MOUNTS, Path::new(path)).as_deref(), Some(kind), "{path}");
        }
        assert_eq!(kind_of("", Path::new("/")), None);
    }

    #[test]
    fn the_commit_is_read_from_the_files_of_git() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let git = root.join(".git");
        let [a, b] = ["a".repeat(40), "b".repeat(64)];
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::create_dir_all(git.join("worktrees/side")).unwrap();
        let write = |name: &str, text: &str| fs::write(git.join(name), text).unwrap();
        assert_eq!(head_commit(root), None, "no repository");
        write("HEAD", "ref: refs/heads/main\n");
        assert_eq!(head_commit(root), None, "no commit yet");
        write("packed-refs", &format!("# pack-refs with: peeled\n{b} refs/heads/other\n{a} refs/heads/main\n"));
        assert_eq!(head_commit(root).as_ref(), Some(&a));
        write("refs/heads/main", &format!("{b}\n"));
        assert_eq!(head_commit(&root.join("deep/inside")).as_ref(), Some(&b), "what is loose is newer");
        write("worktrees/side/commondir", "../..\n");
        write("worktrees/side/HEAD", &format!("{a}\n"));
        fs::create_dir(root.join("side")).unwrap();
        fs::write(root.join("side/.git"), format!("gitdir: {}\n", git.join("worktrees/side").display())).unwrap();
        assert_eq!(head_commit(&root.join("side")).as_ref(), Some(&a), "each work tree has its own");
        for wrong in ["ref: ../../secret", "ref: refs/heads/none", "ref: /etc/passwd", "no commit", ""] {
            write("HEAD", wrong);
            assert_eq!(head_commit(root), None, "{wrong}");
        }
        write("refs/heads/one", "ref: refs/heads/one");
        write("HEAD", "ref: refs/heads/one");
        assert_eq!(head_commit(root), None, "a circle");
    }

    #[test]
    fn all_worktrees_of_a_repository_share_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let main = root.join("main");
        fs::create_dir_all(main.join(".git/worktrees/side")).unwrap();
        fs::create_dir_all(main.join("src/deep")).unwrap();
        fs::create_dir_all(root.join("side")).unwrap();
        fs::write(main.join(".git/HEAD"), "ref: refs/heads/main").unwrap();
        fs::write(main.join(".git/worktrees/side/commondir"), "../..\n").unwrap();
        let link = format!("gitdir: {}\n", main.join(".git/worktrees/side").display());
        fs::write(root.join("side/.git"), link).unwrap();
        let shared = main.join(".git/orch/orch.db");
        for inside in [main.clone(), main.join("src/deep"), root.join("side")] {
            assert_eq!(default_path(&inside, None), Some(shared.clone()), "{}", inside.display());
        }
        let data = Path::new("/data");
        assert_eq!(default_path(&root, Some(data)), Some(data.join("orch/orch.db")));
        assert_eq!(default_path(&root, None), None);
    }
}
