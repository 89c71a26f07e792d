//! The kinds of file a run has.

/// What a file is, by its place in the run's folder.
pub fn kind_of(path: &str) -> &'static str {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match (folder, name) {
        ("", "run.json") => "run.json",
        ("", "reference.safetensors") => "reference",
        ("", "events.jsonl") => "events",
        ("", "lock") => "lock",
        ("", "report.html") => "report",
        _ if name.ends_with(".partial") => "unfinished file",
        ("open" | "steps", _) if name.ends_with(".arrows") => "journal",
        ("steps", _) if name.contains('-') => "merged segment",
        ("steps", _) => "segment",
        ("curvature", _) if name.ends_with(".parquet") => "curvature table",
        ("curvature" | "curvature_summaries", _) => "curvature summary",
        ("eigenvectors", _) => "eigenvectors",
        ("deltas", _) if name.ends_with(".arrows") => "displacements",
        ("deltas", _) => "displacements' JSON",
        ("joined", _) => "joined parameters",
        ("landscape", _) => "landscape",
        _ => "another file",
    }
}
