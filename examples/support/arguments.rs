//! The arguments of an example: options with a value (`--data DIR`), switches, and at most one
//! folder to write to.

#![allow(dead_code)] // Each example uses a part of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// What was said on the command line.
#[derive(Debug, Default)]
pub struct Arguments {
    values: BTreeMap<String, OsString>,
    switches: Vec<String>,
    folder: Option<PathBuf>,
}

impl Arguments {
    /// Reads this program's arguments. `options` take a value, `switches` do not; names are without
    /// their dashes.
    pub fn read(options: &[&str], switches: &[&str]) -> Result<Arguments> {
        Arguments::of(std::env::args_os().skip(1), options, switches)
    }

    pub fn of(
        said: impl Iterator<Item = OsString>,
        options: &[&str],
        switches: &[&str],
    ) -> Result<Arguments> {
        let usage = || {
            let options = options.iter().map(|name| format!("[--{name} VALUE]"));
            let all: Vec<_> =
                options.chain(switches.iter().map(|name| format!("[--{name}]"))).collect();
            format!("arguments: {} [FOLDER TO WRITE TO]", all.join(" "))
        };
        let mut arguments = Arguments::default();
        let mut said = said;
        while let Some(word) = said.next() {
            match word.to_str().and_then(|word| word.strip_prefix("--")) {
                Some(name) if options.contains(&name) => {
                    let value = said
                        .next()
                        .with_context(|| format!("--{name} needs a value; {}", usage()))?;
                    arguments.values.insert(name.to_string(), value);
                }
                Some(name) if switches.contains(&name) => arguments.switches.push(name.to_string()),
                Some(name) => bail!("no option --{name}; {}", usage()),
                None => {
                    ensure!(arguments.folder.is_none(), "more than one folder; {}", usage());
                    arguments.folder = Some(word.into());
                }
            }
        }
        Ok(arguments)
    }

    /// The folder given with `--name`.
    pub fn path(&self, name: &str) -> Option<&Path> {
        self.values.get(name).map(Path::new)
    }

    /// The number given with `--name`, or else `default`.
    pub fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        let Some(value) = self.values.get(name) else { return Ok(default) };
        let number = value.to_str().and_then(|text| text.parse().ok());
        number.with_context(|| {
            format!("--{name} {} is not a number of the kind it takes", value.display())
        })
    }

    /// Whether `--name` was said.
    pub fn has(&self, name: &str) -> bool {
        self.switches.iter().any(|said| said == name)
    }

    /// The folder to write to, if one was said.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The folder to write to: the one said, or else the first of `runs/<name>-1`, `runs/<name>-2`,
    /// ... that is free.
    pub fn folder_or_free(&self, name: &str) -> PathBuf {
        let free = || {
            let folder = |number: u32| PathBuf::from(format!("runs/{name}-{number}"));
            (1..).map(folder).find(|folder| !folder.exists()).expect("a run number is free")
        };
        self.folder.clone().unwrap_or_else(free)
    }
}
