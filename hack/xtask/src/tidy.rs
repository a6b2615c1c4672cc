//! House rules that no compiler lint checks: manifests, length of files, words and links.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

/// The longest a Rust file may be, its own unit tests not counted.
const MAX_LINES: usize = 600;

/// Files that may be longer, one path a line, each with its reason after a `#`.
const LONG_FILES: &str = include_str!("../long-files.txt");

/// Words that mark unfinished work. They are put together here so that this file doesn't contain them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = vec![];
    packages(root, &mut findings)?;
    for path in files(root)? {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !["rs", "md", "toml", "sh", "yaml"].contains(&extension) {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {shown}"))?;
        match extension {
            "rs" => findings.extend(rust(&shown, &text)),
            "md" => findings.extend(links(root, &path, &shown, &text)),
            _ => {}
        }
        findings.extend(words(&shown, &text));
    }
    findings.sort();
    Ok(findings)
}

/// License, shared lints, and no version outside of the root manifest.
fn packages(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec().context("read cargo metadata")?;
    for package in metadata.workspace_packages() {
        if package.license.as_deref() != Some("Apache-2.0") {
            findings.push(format!("{}: license is not Apache-2.0", package.name));
        }
        let text = std::fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("read {}", package.manifest_path))?;
        findings.extend(manifest(&package.name, &text));
    }
    Ok(())
}

fn manifest(name: &str, text: &str) -> Vec<String> {
    let mut findings = vec![];
    let mut section = "";
    let mut shared_lints = false;
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            continue;
        }
        shared_lints |= section == "lints" && line.replace(' ', "") == "workspace=true";
        let is_dependency = section.contains("dependencies") && line.contains('=') && !line.starts_with('#');
        let shared = line.contains("workspace = true");
        if is_dependency && !shared {
            findings.push(format!("{name}: `{line}` must be a dependency of the workspace"));
        }
    }
    if !shared_lints {
        findings.push(format!("{name}: no `[lints] workspace = true`"));
    }
    findings
}

/// Every file of the repository, as far as people write it.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let skip = name.starts_with('.') || ["target", "fixtures", "node_modules"].contains(&name);
            if skip || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn rust(shown: &str, text: &str) -> Vec<String> {
    let mut findings = vec![];
    let is_test = shown.starts_with("tests/") || shown.contains("/tests/") || shown.ends_with("tests.rs");
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let may_be_long = LONG_FILES.lines().any(|line| line.split('#').next().unwrap_or_default().trim() == shown);
    if !is_test && !may_be_long && lines > MAX_LINES {
        findings.push(format!("{shown}: {lines} lines, the limit is {MAX_LINES}"));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") && !is_test {
        findings.push(format!("{shown}: does not begin by saying what it is"));
    }
    findings
}

fn words(shown: &str, text: &str) -> Vec<String> {
    let mut findings = vec![];
    for (number, line) in text.lines().enumerate() {
        for word in UNFINISHED {
            if line.contains(word) {
                findings.push(format!("{shown}:{}: unfinished: {word}", number + 1));
            }
        }
        if shown.ends_with(".rs") && line.ends_with(' ') {
            findings.push(format!("{shown}:{}: trailing space", number + 1));
        }
    }
    findings
}

/// Links to files of the repository must lead somewhere.
fn links(root: &Path, path: &Path, shown: &str, text: &str) -> Vec<String> {
    let mut findings = vec![];
    let mut code = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for target in targets(line) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let full = match file.strip_prefix('/') {
                Some(from_root) => root.join(from_root),
                None => path.parent().unwrap_or(root).join(file),
            };
            if !full.exists() {
                findings.push(format!("{shown}:{}: link to {target} leads nowhere", number + 1));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` in a line.
fn targets(line: &str) -> Vec<&str> {
    line.match_indices("](")
        .filter_map(|(at, _)| {
            let rest = &line[at + 2..];
            rest.find(')').map(|end| rest[..end].split_whitespace().next().unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_is_tidy() {
        assert_eq!(check(&crate::root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn manifests() {
        let good = "[lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\nkube = { workspace = true, features = [\"ws\"] }\n";
        assert_eq!(manifest("p", good), Vec::<String>::new());
        assert_eq!(manifest("p", "[dependencies]\nserde = \"1\"\n").len(), 2);
    }

    #[test]
    fn links_in_text() {
        assert_eq!(targets("see [a](b.md) and [c](d.md#e \"title\")"), ["b.md", "d.md#e"]);
    }

    #[test]
    fn words_and_lengths() {
        assert_eq!(words("a.md", &format!("fine\n{}: later\n", UNFINISHED[0])).len(), 1);
        let long = "//! Doc.\n".repeat(MAX_LINES + 1);
        assert_eq!(rust("a/src/x.rs", &long).len(), 1);
        assert_eq!(rust("a/tests/x.rs", &long).len(), 0);
    }
}
