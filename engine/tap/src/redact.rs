//! Owns: taking secrets out of command lines before they are stored. Absent: knowing all secrets; it goes by names.

const MASK: &[u8] = b"***";
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "credential",
    "access-key",
    "access_key",
    "auth",
];

fn is_secret_name(name: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
    NAMES.iter().any(|secret| lower.contains(secret))
}

/// Mask the values of words such as `--token=x`, `--password x`, `API_KEY=x` and `scheme://user:x@host`.
pub fn redact(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut value_follows = false;
    words
        .iter()
        .map(|word| {
            if std::mem::take(&mut value_follows) && !word.starts_with(b"-") {
                return MASK.to_vec();
            }
            match memchr::memchr(b'=', word) {
                Some(at) if is_secret_name(&word[..at]) && !word[..at].contains(&b' ') => {
                    [&word[..=at], MASK].concat()
                }
                Some(_) => without_password(word),
                None => {
                    value_follows = word.starts_with(b"-") && is_secret_name(word);
                    without_password(word)
                }
            }
        })
        .collect()
}

/// `scheme://user:password@host` without the password.
fn without_password(word: &[u8]) -> Vec<u8> {
    let Some(start) = memchr::memmem::find(word, b"://").map(|at| at + 3) else {
        return word.to_vec();
    };
    let end = word[start..]
        .iter()
        .position(|&c| c == b'/')
        .map_or(word.len(), |at| start + at);
    let Some(at) = memchr::memrchr(b'@', &word[start..end]).map(|at| start + at) else {
        return word.to_vec();
    };
    match memchr::memchr(b':', &word[start..at]) {
        Some(colon) => [&word[..=start + colon], MASK, &word[at..]].concat(),
        None => word.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let words: Vec<Vec<u8>> = line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
        let joined = redact(&words).join(&b' ');
        assert_eq!(String::from_utf8(joined).unwrap(), expected);
    }

    #[test]
    fn values_of_secret_words_are_masked() {
        check("train.py --token=abc --lr=0.1", "train.py --token=*** --lr=0.1");
        check("train.py --password abc x", "train.py --password *** x");
        check(
            "env WANDB_API_KEY=abc python t.py",
            "env WANDB_API_KEY=*** python t.py",
        );
        check("get s3://me:pw@host/key", "get s3://me:***@host/key");
        check("get https://host/a@b:c", "get https://host/a@b:c");
        check("train.py --no-auth --epochs 3", "train.py --no-auth --epochs 3");
    }
}
