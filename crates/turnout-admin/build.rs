//! Writes the table of the page's files: what lies in `dashboard/dist/` when this crate is built is what is served.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../dashboard/dist");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    gather(&folder, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&folder).expect("it was found there").display().to_string();
        let content = file.canonicalize()?;
        let _ = writeln!(table, "    ({:?}, include_bytes!({:?})),", format!("/{name}"), content.display().to_string());
    }
    table.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("assets.rs"), table)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // A file that is added to a folder changes the folder only.
            println!("cargo::rerun-if-changed={}", path.display());
            gather(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
