//! One change to a run's folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::base;
use crate::damage::damage;
use crate::forgery::{
    forged_block, forged_column_chunk, forged_footer, forged_number, forged_values,
};
use crate::json::{another_text, edit};
use crate::kind::kind_of;
use crate::safetensors;

/// What was done.
pub struct Mutation {
    /// Kind of the file.
    pub kind: &'static str,
    /// Kind of the change.
    pub change: &'static str,
    /// The file, and what there is to say more.
    pub detail: String,
    /// Whether checksums were made to fit.
    pub forged: bool,
}

/// Changes a run's folder; `other` is a run like it, of which files are taken.
pub fn mutate(run: &Path, other: &Path, random: &mut ChaCha8Rng) -> Mutation {
    let files = base::files(run);
    let mut kinds: Vec<&'static str> =
        files.iter().map(|file| kind_of(&file.to_string_lossy())).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kind = kinds[random.random_range(0..kinds.len())];
    let of_kind: Vec<&PathBuf> =
        files.iter().filter(|file| kind_of(&file.to_string_lossy()) == kind).collect();
    let file = of_kind[random.random_range(0..of_kind.len())];
    let path = run.join(file);
    let whole = fs::read(&path).unwrap();
    let changed = match random.random_range(0..10) {
        0..4 if !whole.is_empty() => {
            let (damaged, what) = damage(&whole, random);
            Changed::plain(what, damaged)
        }
        4..6 => {
            let (change, detail) = at_large(run, other, file, &files, random);
            return Mutation {
                kind,
                change,
                detail: format!("{}: {detail}", file.display()),
                forged: false,
            };
        }
        _ => match by_kind(kind, &whole, random) {
            Some(changed) => changed,
            None => Changed::plain("emptied", Vec::new()),
        },
    };
    replace(&path, &changed.bytes);
    let detail = format!("{}: {}", file.display(), changed.detail);
    Mutation { kind, change: changed.change, detail, forged: changed.forged }
}

struct Changed {
    change: &'static str,
    detail: String,
    forged: bool,
    bytes: Vec<u8>,
}

impl Changed {
    fn plain(change: &'static str, bytes: Vec<u8>) -> Changed {
        Changed { change, detail: String::new(), forged: false, bytes }
    }

    fn forged(change: &'static str, bytes: Vec<u8>) -> Changed {
        Changed { forged: true, ..Changed::plain(change, bytes) }
    }
}

/// Writes a file anew, so that nothing else that has its bytes is changed.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A change that knows what the file is; none where there is none.
fn by_kind(kind: &str, whole: &[u8], random: &mut ChaCha8Rng) -> Option<Changed> {
    match kind {
        "run.json" | "curvature summary" | "displacements' JSON" | "lock" => json(whole, random),
        "events" => Some(lines(whole, random)),
        "reference" | "eigenvectors" | "joined parameters" => tensors(whole, random),
        "segment" | "merged segment" | "curvature table" | "landscape" => {
            Some(match random.random_range(0..3) {
                0 => Changed::forged("forged footer", forged_footer(whole, random)),
                1 => Changed::forged("forged footer's numbers", forged_number(whole, random)),
                _ => Changed::forged("forged column", forged_column_chunk(whole, random)),
            })
        }
        "journal" | "displacements" => Some(match random.random_range(0..2) {
            0 => Changed::forged("forged block", forged_block(whole, random)),
            _ => Changed::forged("forged values", forged_values(whole, random)),
        }),
        _ => None,
    }
}

fn json(whole: &[u8], random: &mut ChaCha8Rng) -> Option<Changed> {
    let mut edited = edit(&serde_json::from_slice(whole).ok()?, random);
    let forged = edited.document.get("checksum").is_some() && random.random();
    if forged {
        let mut rest = edited.document.clone();
        let fields = rest.as_object_mut()?;
        fields.remove("checksum");
        // Of a summary.
        if fields.contains_key("density") {
            fields.remove("schema_version");
        }
        edited.document["checksum"] = crc32fast::hash(rest.to_string().as_bytes()).into();
    }
    let change = if forged { "JSON edited, resealed" } else { "JSON edited" };
    let bytes = edited.text(random.random()).into_bytes();
    Some(Changed { change, detail: edited.what, forged, bytes })
}

fn lines(whole: &[u8], random: &mut ChaCha8Rng) -> Changed {
    let mut lines: Vec<Vec<u8>> =
        whole.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let index = random.random_range(0..lines.len());
    let other = random.random_range(0..lines.len());
    let mut detail = format!("line {}", index + 1);
    let change = match random.random_range(0..8) {
        0 => {
            lines.remove(index);
            "line removed"
        }
        1 => {
            let line = lines[index].clone();
            lines.insert(other, line);
            "line repeated"
        }
        2 => {
            lines.swap(index, other);
            "lines swapped"
        }
        _ => {
            let line: Value = serde_json::from_slice(&lines[index]).unwrap();
            let edited = edit(&line, random);
            detail = format!("{detail}, {}", edited.what);
            lines[index] = format!("{}\n", edited.text(false)).into_bytes();
            "JSON edited"
        }
    };
    Changed { detail, ..Changed::plain(change, lines.concat()) }
}

fn tensors(whole: &[u8], random: &mut ChaCha8Rng) -> Option<Changed> {
    let (mut header, tensors) = safetensors::split(whole)?;
    let mut tensors = tensors.to_vec();
    if random.random_range(0..4) == 0 {
        tensors = damage(&tensors, random).0;
        safetensors::resealed(&mut header, &tensors);
        return Some(Changed::forged(
            "forged tensors",
            safetensors::joined(&header.to_string(), &tensors),
        ));
    }
    let mut edited = edit(&header, random);
    let forged = random.random();
    if forged {
        safetensors::resealed(&mut edited.document, &tensors);
    }
    let change = if forged { "header edited, resealed" } else { "header edited" };
    let bytes = safetensors::joined(&edited.text(false), &tensors);
    Some(Changed { change, detail: edited.what, forged, bytes })
}

/// A change to what a file is or where it lies.
fn at_large(
    run: &Path,
    other: &Path,
    file: &Path,
    files: &[PathBuf],
    random: &mut ChaCha8Rng,
) -> (&'static str, String) {
    let path = run.join(file);
    let anew = |make: &dyn Fn()| {
        fs::remove_file(&path).unwrap();
        make();
    };
    let another = &files[random.random_range(0..files.len())];
    match random.random_range(0..14) {
        0 => {
            anew(&|| {});
            ("removed", String::new())
        }
        1 => {
            anew(&|| fs::write(&path, "").unwrap());
            ("emptied", String::new())
        }
        2 => {
            anew(&|| fs::create_dir(&path).unwrap());
            ("a folder in its place", String::new())
        }
        3 => {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            anew(&|| mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap());
            ("a pipe in its place", String::new())
        }
        4 => {
            let target = ["/dev/zero", "/nowhere/at/all", "/", "."][random.random_range(0..4)];
            anew(&|| symlink(target, &path).unwrap());
            ("a link in its place", target.to_owned())
        }
        5 | 6 => {
            let to = renumbered(file, random);
            fs::copy(&path, run.join(&to)).unwrap();
            ("a copy under another number", to.display().to_string())
        }
        7 | 8 => {
            let to = renumbered(file, random);
            fs::rename(&path, run.join(&to)).unwrap();
            ("another number", to.display().to_string())
        }
        9 => {
            let (one, two) = (fs::read(&path).unwrap(), fs::read(run.join(another)).unwrap());
            replace(&path, &two);
            replace(&run.join(another), &one);
            ("swapped with another file", another.display().to_string())
        }
        10 => {
            let bytes = fs::read(run.join(another)).unwrap();
            replace(&path, &bytes);
            ("another file in its place", another.display().to_string())
        }
        11 | 12 => match fs::read(other.join(file)) {
            Ok(bytes) => {
                replace(&path, &bytes);
                ("that of another run", String::new())
            }
            Err(_) => {
                anew(&|| {});
                ("removed", String::new())
            }
        },
        _ => {
            let name: String = another_text("", random)
                .chars()
                .filter(|c| !matches!(c, '/' | '\0'))
                .take(60)
                .collect();
            let stray = file.with_file_name(if name.is_empty() || name.len() > 250 {
                "stray"
            } else {
                &name
            });
            let bytes = fs::read(run.join(another)).unwrap();
            match fs::write(run.join(&stray), bytes) {
                Ok(()) => ("a stray file beside it", format!("{:?}", stray.display().to_string())),
                Err(_) => ("nothing", String::new()),
            }
        }
    }
}

/// The file's name with another number in it, if it has one.
fn renumbered(file: &Path, random: &mut ChaCha8Rng) -> PathBuf {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let digits = |character: char| character.is_ascii_digit();
    let (Some(start), Some(end)) = (name.find(digits), name.rfind(digits)) else {
        return file.with_file_name(format!("{name}.1"));
    };
    let first: u64 =
        name[start..].chars().take_while(|c| digits(*c)).collect::<String>().parse().unwrap();
    let number = match random.random_range(0..10) {
        0..3 => format!("{:06}", first + 1),
        3..5 => format!("{:06}", first.saturating_sub(1)),
        5 => format!("{:06}", first + 7),
        6 => format!("{:06}-{:06}", first, first + random.random_range(1..9)),
        7 => u64::MAX.to_string(),
        8 => ["99999999999999999999", "999999999999"][random.random_range(0..2)].to_owned(),
        _ => first.to_string(),
    };
    file.with_file_name(format!("{}{number}{}", &name[..start], &name[end + 1..]))
}
