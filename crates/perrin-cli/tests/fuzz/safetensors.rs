//! Safetensors files: eight bytes of length, a JSON header, the tensors' bytes.

use serde_json::Value;

const METADATA: &str = "__metadata__";
const CHECKSUMS: &str = "perrin.checksums";
const SEAL: &str = "perrin.seal";

/// The header and what is behind it, if there is a header.
pub fn split(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let header = serde_json::from_slice(bytes.get(8..end)?).ok()?;
    Some((header, &bytes[end..]))
}

/// A file with this text as its header.
pub fn joined(header: &str, tensors: &[u8]) -> Vec<u8> {
    let length = header.len().next_multiple_of(8);
    let padding = vec![b' '; length - header.len()];
    [&(length as u64).to_le_bytes(), header.as_bytes(), &padding, tensors].concat()
}

/// The same file with the header's keys in order.
pub fn ordered(bytes: &[u8]) -> Vec<u8> {
    let (header, tensors) = split(bytes).unwrap();
    joined(&header.to_string(), tensors)
}

/// The same with checksums that fit, as far as its header says what they are of.
pub fn resealed(header: &mut Value, tensors: &[u8]) {
    let Some(all) = header.as_object() else { return };
    let checksum = |(name, tensor): (&String, &Value)| {
        let offset = |index: usize| usize::try_from(tensor["data_offsets"][index].as_u64()?).ok();
        Some((name.clone(), crc32fast::hash(tensors.get(offset(0)?..offset(1)?)?)))
    };
    let checksums: std::collections::BTreeMap<String, u32> =
        all.iter().filter_map(checksum).collect();
    let Some(metadata) = header[METADATA].as_object_mut() else { return };
    if metadata.contains_key(CHECKSUMS) {
        metadata.insert(CHECKSUMS.to_owned(), serde_json::json!(checksums).to_string().into());
    }
    if metadata.remove(SEAL).is_some() {
        let mut hasher = crc32fast::Hasher::new();
        // The map is sorted by key.
        for (key, value) in metadata.iter() {
            hasher.update(key.as_bytes());
            hasher.update(value.as_str().unwrap_or_default().as_bytes());
        }
        metadata.insert(SEAL.to_owned(), hasher.finalize().to_string().into());
    }
}
