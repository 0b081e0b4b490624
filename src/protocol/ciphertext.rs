//! The look of ciphertext, for channels with `payload = "ciphertext"`.
//!
//! The check catches mistakes, not an accomplice, who can give plaintext this look.

use crate::crypto::{encoding::from_base64url, sealer::is_envelope};

const IV_BYTES: usize = 12;
/// A tag, and one byte of content.
const MIN_CIPHERTEXT_BYTES: usize = 17;

/// True for an envelope `{"nonce","ciphertext"}`, and for `iv.ct` as browsers encrypt with AES-GCM:
/// unpadded base64url.
pub fn is_ciphertext(data: &str) -> bool {
    // SDKs that always write JSON put a string into quotation marks. Clients read the same string.
    let quoted = data.strip_prefix('"').and_then(|data| data.strip_suffix('"'));
    is_iv_and_ciphertext(quoted.unwrap_or(data)) || is_envelope(data)
}

fn is_iv_and_ciphertext(text: &str) -> bool {
    let Some((iv, ciphertext)) = text.split_once('.') else { return false };
    // Decoding a text of another length would be for nothing.
    if iv.len() != IV_BYTES / 3 * 4 {
        return false;
    }
    let (Some(iv), Some(ciphertext)) = (from_base64url(iv), from_base64url(ciphertext)) else {
        return false;
    };
    // Encoded text, such as `btoa(json)`. Random bytes look like this once in 2^41 payloads, and an
    // IV alone once in 140,000.
    let printable = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    ciphertext.len() >= MIN_CIPHERTEXT_BYTES && !(printable(&iv) && printable(&ciphertext))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::encoding::{base64, base64url};
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    fn joined(iv: &[u8], ciphertext: &[u8]) -> String {
        format!("{}.{}", base64url(iv), base64url(ciphertext))
    }

    #[test]
    fn only_the_exact_forms_are_ciphertext() {
        let (iv, long, short) = ([0xfe; 12], [0xff; 17], [0xff; 16]);
        let right = joined(&iv, &long);
        let envelope = |nonce: &[u8], ciphertext: &[u8]| {
            json!({"nonce": base64(nonce), "ciphertext": base64(ciphertext)}).to_string()
        };
        for (data, expected) in [
            (right.clone(), true),
            (format!("\"{right}\""), true),
            (envelope(&[1; 24], &[2; 17]), true),
            (envelope(&[1; 24], &[2; 16]), true),
            (joined(&iv, &[0xff; 1000]), true),
            // Printable in one part alone.
            (joined(b"twelve bytes", &long), true),
            (joined(&iv, b"{\"text\":\"hello\"}!"), true),
            (joined(b"{\"text\":\"hel", b"lo everybody\"}      "), false),
            (joined(&iv, &short), false),
            (joined(&[0xfe; 11], &long), false),
            (joined(&[0xfe; 13], &long), false),
            (envelope(&[1; 23], &[2; 17]), false),
            (envelope(&[1; 24], &[2; 15]), false),
            (
                json!({"nonce": base64(&[1; 24]), "ciphertext": base64(&[2; 17]), "v": 1})
                    .to_string(),
                false,
            ),
            (format!("{right}="), false),
            (format!("{right}."), false),
            (format!(" {right}"), false),
            (format!("{right}\n"), false),
            (format!("\"{right}"), false),
            (format!("\"\"{right}\"\""), false),
            (format!("[\"{right}\"]"), false),
            (format!("{}.{}", base64(&iv), base64(&long)), false),
            (right.replace('.', ","), false),
            (right.replace('.', ""), false),
            // Other texts of the same bytes: the last character has bits that count for nothing.
            (format!("{}9", &right[..right.len() - 1]), false),
            (String::new(), false),
            (".".into(), false),
            ("\"".into(), false),
            ("hello".into(), false),
            ("{\"a\":1}".into(), false),
            ("null".into(), false),
        ] {
            assert_eq!(is_ciphertext(&data), expected, "{data}");
        }
    }

    proptest! {
        #[test]
        fn encrypted_bytes_are_ciphertext(iv: [u8; 12], ciphertext in vec(any::<u8>(), 17..200)) {
            let text = iv.iter().chain(&ciphertext).all(|byte| (b' '..=b'~').contains(byte));
            prop_assert_eq!(is_ciphertext(&joined(&iv, &ciphertext)), !text);
        }

        #[test]
        fn encoded_text_is_none(text in "[ -~]{29,200}") {
            let (iv, rest) = text.as_bytes().split_at(12);
            prop_assert!(!is_ciphertext(&joined(iv, rest)));
            prop_assert!(!is_ciphertext(&base64url(text.as_bytes())));
            prop_assert!(!is_ciphertext(&base64(text.as_bytes())));
        }

        #[test]
        fn json_is_none(text in "\\PC{0,80}", number: f64) {
            for value in [json!({"text": text}), json!([text, number]), json!(number)] {
                prop_assert!(!is_ciphertext(&value.to_string()));
            }
        }

        #[test]
        fn character_of_another_alphabet_is_none(at in 0_usize..40, other in "[^A-Za-z0-9_-]") {
            let right = joined(&[0xfe; 12], &[0xff; 17]);
            let (before, rest) = right.split_at(at);
            if !rest.starts_with(&other) {
                let changed = format!("{before}{other}{}", rest.get(1..).unwrap_or_default());
                prop_assert!(!is_ciphertext(&changed), "{}", changed);
            }
        }
    }
}
