//! `templates/` to files: `*.j2` is rendered, the rest is copied. The templates are part of the program;
//! a user's own copy of one, in the folder given with `create NAME --template`, takes its place.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::error::{Code, Error, Result};
use crate::store;

static BUILT_IN: Dir = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// A rendered file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path in its folder; with `/`, without `.j2`.
    pub path: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// The templates: built in, and the user's copies over them.
pub struct Templates {
    own: Option<PathBuf>,
}

impl Templates {
    /// The templates that this environment uses.
    ///
    /// # Errors
    /// The user's folder is gone.
    pub fn of(env: &store::Environment) -> Result<Self> {
        Self::new(env.choices.templates.clone())
    }

    /// The built-in templates with the user's folder over them.
    ///
    /// # Errors
    /// The user's folder is not there.
    pub fn new(own: Option<PathBuf>) -> Result<Self> {
        match &own {
            Some(folder) if !folder.is_dir() => Err(Error::new(
                Code::StorageFailed,
                format!("the template folder {} is not there", folder.display()),
            )
            .help("put it back; the environment was created with it")),
            _ => Ok(Self { own }),
        }
    }

    /// Refuses a user's file that would take no built-in template's place. What is hidden, such as `.git`, is left out.
    ///
    /// # Errors
    /// There is such a file, or the folder cannot be read.
    pub fn check_own(folder: &Path) -> Result<()> {
        let (mut own, mut built_in) = (vec![], vec![]);
        collect_own(folder, Path::new(""), &mut own).map_err(|error| {
            Error::new(Code::StorageFailed, format!("cannot read the template folder {}", folder.display()))
                .why(error)
        })?;
        collect(&BUILT_IN, &mut built_in);
        own.retain(|path| !built_in.contains(path));
        own.sort();
        if own.is_empty() {
            return Ok(());
        }
        let refused = format!("files in {} take the place of no built-in template", folder.display());
        Err(own.iter().fold(Error::new(Code::Usage, refused), |error, path| {
            error.why(path).help(match nearest(path, &built_in) {
                Some(near) => format!("did you mean {near} instead of {path}?"),
                None => format!("remove {path}"),
            })
        }))
    }

    /// A template's text as it stands.
    ///
    /// # Errors
    /// There is none of that path.
    pub fn text(&self, path: &str) -> Result<String> {
        let bytes = self.bytes(path)?;
        String::from_utf8(bytes)
            .map_err(|error| Error::new(Code::Internal, format!("{path} is not text")).why(error))
    }

    /// A script for the host that has to tell the stack's containers from those of others.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn owner_script(&self, name: &str) -> Result<String> {
        Ok(self.text("host/owner.sh")? + &self.text(&format!("host/{name}"))?)
    }

    /// Renders one template.
    ///
    /// # Errors
    /// There is none of that path, or it does not fit the values.
    pub fn render(&self, path: &str, values: &impl Serialize) -> Result<Vec<u8>> {
        let text = self.text(path)?;
        let rendered = environment().render_named_str(path, &text, minijinja::value::Serde(values));
        rendered.map(String::into_bytes).map_err(|error| {
            let failed = Error::new(Code::Internal, format!("the template {path} cannot be rendered"))
                .why(format!("{error:#}"));
            match &self.own {
                Some(folder) => {
                    failed.help(format!("mend it, or take it away: {}", folder.join(path).display()))
                }
                None => failed,
            }
        })
    }

    /// Renders a whole folder of templates.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn folder(&self, name: &str, values: &impl Serialize) -> Result<Vec<File>> {
        let mut paths = vec![];
        if let Some(folder) = BUILT_IN.get_dir(name) {
            collect(folder, &mut paths);
        }
        paths.sort();
        paths.into_iter().map(|path| self.file(name, &path, values)).collect()
    }

    fn file(&self, folder: &str, path: &str, values: &impl Serialize) -> Result<File> {
        let bytes = if Path::new(path).extension().is_some_and(|extension| extension == "j2") {
            self.render(path, values)?
        } else {
            self.bytes(path)?
        };
        let path = path.trim_start_matches(folder).trim_start_matches('/').trim_end_matches(".j2");
        Ok(File { path: path.to_owned(), bytes })
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        if let Some(own) = self.own.as_ref().map(|folder| folder.join(path)).filter(|own| own.is_file()) {
            return crate::input::read(&own).map_err(|error| {
                Error::new(Code::StorageFailed, format!("cannot read {}", own.display())).why(error)
            });
        }
        let file = BUILT_IN.get_file(path);
        file.map(|file| file.contents().to_vec())
            .ok_or_else(|| Error::new(Code::Internal, format!("there is no template {path}")))
    }
}

fn collect(folder: &Dir, paths: &mut Vec<String>) {
    paths.extend(folder.files().map(|file| file.path().display().to_string()));
    for inner in folder.dirs() {
        collect(inner, paths);
    }
}

fn collect_own(root: &Path, inner: &Path, paths: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(inner))? {
        let name = entry?.file_name();
        let path = inner.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if root.join(&path).is_dir() {
            collect_own(root, &path, paths)?;
        } else {
            paths.push(path.display().to_string());
        }
    }
    Ok(())
}

/// The built-in template that a path looks like most: by its own name first, as a file may lie in the wrong folder.
fn nearest<'b>(path: &str, built_in: &'b [String]) -> Option<&'b String> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let likeness = |other: &String| {
        strsim::jaro_winkler(path, other).max(strsim::jaro_winkler(&name(path), &name(other)))
    };
    let near = built_in.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    near.filter(|near| likeness(near) > 0.8)
}

/// Strict: an unknown name or a missing value is an error, never an empty string in somebody's configuration.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(block_lines());
    environment.add_filter("json", json);
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::None => {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "a value is none"))
        }
        // Jinja would print Python's `True`, which neither TOML nor YAML nor JSON reads as true.
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment
}

/// The library's own `tojson` also escapes for HTML, which nobody reads these files as.
fn json(value: &Value) -> Result<String, minijinja::Error> {
    let unfit =
        |error| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, "no JSON").with_source(error);
    let mut bytes = vec![];
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, OneLine)).map_err(unfit)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// On one line, with spaces where a person would make them: these files are read by people, and as YAML.
struct OneLine;

impl Formatter for OneLine {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// A line with nothing but a block tag leaves no trace, and a file keeps its last line break.
fn block_lines() -> SyntaxConfig {
    let mut builder = SyntaxConfig::builder();
    builder.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    builder.build().unwrap_or_default()
}

/// Writes files below `folder`, readable by their owner only; a script stays executable.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, files: &[File]) -> Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        let write = || {
            let parent = path.parent().unwrap_or(folder);
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            std::fs::write(&path, &file.bytes)?;
            let mode = if file.bytes.starts_with(b"#!") { 0o700 } else { 0o600 };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
        };
        write().map_err(|error: std::io::Error| {
            Error::new(Code::StorageFailed, format!("cannot write {}", path.display()))
                .why(error)
                .help("is there room (df -h), and may you write there? then repeat the command")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_it_is_read_and_not_for_html() {
        let values = serde_json::json!({ "it": ["3<>/dev/tcp", "'&\"é", { "a": 1, "b": [true] }] });
        let rendered = environment().render_str("{{ it|json }}", minijinja::value::Serde(values));
        assert_eq!(rendered.unwrap(), r#"["3<>/dev/tcp", "'&\"é", {"a": 1, "b": [true]}]"#);
    }
}
