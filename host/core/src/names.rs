//! Names that people mistype, in messages.

/// ` (did you mean …?)` where a known name is close.
pub(crate) fn nearest(name: &str, known: &[impl AsRef<str>]) -> String {
    known
        .iter()
        .map(AsRef::as_ref)
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| format!(" (did you mean `{candidate}`?)"))
        .unwrap_or_default()
}
