//! Recovery codes: ten that a person keeps for the day the authenticator is lost, each good for one login.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::password::{HashingError, Password, PasswordHasher, Verdict};
use crate::random;
use crate::storage::recovery_codes::StoredCode;

/// How many a person gets.
pub const COUNT: usize = 10;

/// Base32 without letters that are read for one another or that make words (Crockford's): 5 bits a character.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a code: the selector, and 13 more that are 65 bits of secret.
const LENGTH: usize = 16;
const SELECTOR: usize = 3;
const GROUP: usize = 4;

/// A code in its one canonical spelling.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    fn random() -> Self {
        let character = |byte: u8| char::from(ALPHABET[usize::from(byte & 31)]);
        Self(Zeroizing::new(random::bytes::<LENGTH>().map(character).iter().collect()))
    }

    /// Reads a code in any case, with spaces and dashes anywhere or nowhere, and with the letters that look like its digits.
    /// `None`: that can't be one.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 100 {
            return None;
        }
        let dash = |character: char| matches!(character, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '_' | '.');
        let mut code = Zeroizing::new(String::with_capacity(LENGTH));
        for character in typed.chars().filter(|character| !character.is_whitespace() && !dash(*character)) {
            code.push(match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            });
        }
        let known = code.bytes().all(|byte| ALPHABET.contains(&byte));
        (code.len() == LENGTH && known).then_some(Self(code))
    }

    /// `XXXX-XXXX-XXXX-XXXX`, as it is shown.
    pub fn grouped(&self) -> String {
        let groups: Vec<&str> = (0..LENGTH).step_by(GROUP).map(|at| &self.0[at..at + GROUP]).collect();
        groups.join("-")
    }

    /// Its first characters, by which it is found.
    pub fn selector(&self) -> &str {
        &self.0[..SELECTOR]
    }

    /// What is hashed: never shorter than a password may be.
    fn as_password(&self) -> Result<Password, HashingError> {
        Password::parse(&self.0).map_err(|error| HashingError::Failed(error.to_string()))
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RecoveryCode([redacted])")
    }
}

/// New codes, and what is stored of them.
#[derive(Debug)]
pub struct NewCodes {
    pub codes: Vec<RecoveryCode>,
    pub stored: Vec<StoredCode>,
}

/// Ten codes with selectors that differ. One hash each, one after the other: a person does this once in years.
pub async fn generate(hasher: &PasswordHasher) -> Result<NewCodes, HashingError> {
    let mut selectors = BTreeSet::new();
    let mut new = NewCodes { codes: Vec::with_capacity(COUNT), stored: Vec::with_capacity(COUNT) };
    while new.codes.len() < COUNT {
        let code = RecoveryCode::random();
        if selectors.insert(code.selector().to_owned()) {
            let hash = hasher.hash(&code.as_password()?).await?;
            new.stored.push(StoredCode { selector: code.selector().to_owned(), hash });
            new.codes.push(code);
        }
    }
    Ok(new)
}

/// Whether `code` is the stored one that its selector leads to. One hash is computed whatever the answer is.
pub async fn is_right(hasher: &PasswordHasher, code: &RecoveryCode, stored: Option<&StoredCode>) -> Result<bool, HashingError> {
    let verdict = hasher.verify(&code.as_password()?, stored.map(|stored| &stored.hash)).await?;
    Ok(stored.is_some() && matches!(verdict, Verdict::Match { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PasswordConfig;

    fn hasher() -> PasswordHasher {
        PasswordHasher::new([1; 32], &PasswordConfig { memory_kib: 64, iterations: 1, ..PasswordConfig::default() }).unwrap()
    }

    #[test]
    fn a_code_holds_64_bits_beyond_its_selector_and_no_letter_that_looks_like_another() {
        const { assert!((LENGTH - SELECTOR) * 5 >= 64) };
        for _ in 0..200 {
            let grouped = RecoveryCode::random().grouped();
            assert_eq!(grouped.len(), 19);
            assert!(!grouped.contains(['I', 'L', 'O', 'U']), "{grouped}");
        }
    }

    #[test]
    fn every_way_to_write_a_code_is_that_code() {
        let code = RecoveryCode(Zeroizing::new("0A1B2C3D4E5F6G7H".to_owned()));
        for typed in [
            "0A1B-2C3D-4E5F-6G7H",
            "0a1b2c3d4e5f6g7h",
            " 0a1b 2c3d\t4e5f\u{a0}6g7h\n",
            "oAlB-2C3D-4E5F-6G7H",
            "OaIb\u{2013}2c3d\u{2013}4e5f\u{2013}6g7h",
            "0A1B.2C3D_4E5F-6G7H",
        ] {
            assert_eq!(*RecoveryCode::parse(typed).unwrap().0, *code.0, "{typed:?}");
        }
        let long = "0".repeat(10_000);
        for other in
            ["", "123456", "0A1B-2C3D-4E5F-6G7", "0A1B-2C3D-4E5F-6G7HH", "UUUU-UUUU-UUUU-UUUU", "0A1B2C3D4E5F6G7\u{ff28}", &long]
        {
            assert!(RecoveryCode::parse(other).is_none(), "{other:.30}");
        }
    }

    #[tokio::test]
    async fn ten_codes_are_made_and_only_hashes_are_stored() {
        let new = generate(&hasher()).await.unwrap();
        assert_eq!((new.codes.len(), new.stored.len()), (COUNT, COUNT));
        let selectors: BTreeSet<_> = new.stored.iter().map(|stored| &stored.selector).collect();
        assert_eq!(selectors.len(), COUNT);
        assert_eq!(format!("{:?}", new.codes[0]), "RecoveryCode([redacted])");
    }
}
