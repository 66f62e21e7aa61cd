use super::*;

fn config() -> PasswordConfig {
    PasswordConfig { memory_kib: 64, iterations: 1, max_concurrent: 2, max_waiting: 3, ..PasswordConfig::default() }
}

fn hasher(config: &PasswordConfig) -> PasswordHasher {
    PasswordHasher::new([7; 32], config).unwrap()
}

fn password(typed: &str) -> Password {
    Password::parse(typed).unwrap()
}

#[tokio::test]
async fn a_hash_of_another_system_is_checked_and_wants_to_be_replaced() {
    let hasher = hasher(&config());
    let text = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let stored = ImportedHash::to_stored(text).unwrap();
    assert_eq!(hasher.verify(&password("U*U"), Some(&stored)).await.unwrap(), Verdict::Match { needs_rehash: true });
    assert_eq!(hasher.verify(&password("U*V"), Some(&stored)).await.unwrap(), Verdict::Mismatch);
    let planted =
        SecretString::from("imported:$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
    assert_eq!(hasher.verify(&password("password"), Some(&planted)).await.unwrap(), Verdict::Mismatch);
    let bare = SecretString::from(text);
    assert_eq!(hasher.verify(&password("U*U"), Some(&bare)).await.unwrap(), Verdict::Mismatch, "it was not imported");
}

#[tokio::test]
async fn a_password_matches_its_own_hash_and_no_other() {
    let hasher = hasher(&config());
    let hash = hasher.hash(&password("correct horse")).await.unwrap();
    let right = hasher.verify(&password("correct horse"), Some(&hash)).await.unwrap();
    assert_eq!(right, Verdict::Match { needs_rehash: false });
    assert_eq!(hasher.verify(&password("correct horsf"), Some(&hash)).await.unwrap(), Verdict::Mismatch);
    let again = hasher.hash(&password("correct horse")).await.unwrap();
    assert_ne!(hash.expose_secret(), again.expose_secret(), "each hash has a salt of its own");
}

#[tokio::test]
async fn passwords_that_differ_in_the_73rd_character_differ() {
    let hasher = hasher(&config());
    let hash = hasher.hash(&password(&format!("{}x", "a".repeat(72)))).await.unwrap();
    assert_eq!(hasher.verify(&password(&format!("{}y", "a".repeat(72))), Some(&hash)).await.unwrap(), Verdict::Mismatch);
}

#[tokio::test]
async fn a_hash_is_argon2id_version_19_with_the_configured_parameters() {
    let hash = hasher(&PasswordConfig::default()).hash(&password("correct horse")).await.unwrap();
    assert!(hash.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "the OWASP default");
}

#[tokio::test]
async fn a_hash_is_worth_nothing_without_the_pepper() {
    let hash = hasher(&config()).hash(&password("correct horse")).await.unwrap();
    let other = PasswordHasher::new([8; 32], &config()).unwrap();
    assert_eq!(other.verify(&password("correct horse"), Some(&hash)).await.unwrap(), Verdict::Mismatch);
}

#[tokio::test]
async fn a_hash_with_other_parameters_still_matches_and_asks_to_be_renewed() {
    let old = hasher(&config()).hash(&password("correct horse")).await.unwrap();
    let newer = hasher(&PasswordConfig { memory_kib: 128, iterations: 2, ..config() });
    let verdict = newer.verify(&password("correct horse"), Some(&old)).await.unwrap();
    assert_eq!(verdict, Verdict::Match { needs_rehash: true });
}

#[tokio::test]
async fn no_hash_and_a_damaged_hash_match_nothing() {
    let hasher = hasher(&config());
    assert_eq!(hasher.verify(&password("x"), None).await.unwrap(), Verdict::Mismatch);
    let greedy = "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdHNhbHQ";
    for damaged in [
        "",
        "plain",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
        greedy,
    ] {
        let verdict = hasher.verify(&password("x"), Some(&SecretString::from(damaged))).await.unwrap();
        assert_eq!(verdict, Verdict::Mismatch, "{damaged}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_answered_at_once_and_never_computes_more_than_allowed() {
    let hasher = hasher(&PasswordConfig { memory_kib: 19_456, iterations: 2, ..config() });
    let floods: Vec<_> = (0..50)
        .map(|_| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.verify(&password("guess"), None).await })
        })
        .collect();
    let mut refused = 0;
    for flood in floods {
        match flood.await.unwrap() {
            Ok(verdict) => assert_eq!(verdict, Verdict::Mismatch),
            Err(error) => {
                assert!(matches!(error, HashingError::Overloaded));
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "50 at once are more than 2 that run and 3 that wait");
    assert!(hasher.0.buffers.kept() <= 2, "two at once need two buffers");
    assert_eq!(hasher.busy(), 0);
    assert_eq!(hasher.verify(&password("guess"), None).await.unwrap(), Verdict::Mismatch);
}

#[tokio::test]
async fn a_request_that_is_given_up_frees_its_place() {
    let hasher = hasher(&PasswordConfig { max_concurrent: 1, max_waiting: 0, ..config() });
    for _ in 0..20 {
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, hasher.verify(&password("guess"), None)).await;
        drop(given_up);
        while hasher.busy() > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(hasher.verify(&password("guess"), None).await.unwrap(), Verdict::Mismatch);
}

#[test]
fn debug_does_not_tell_the_pepper() {
    let shown = format!("{:?}", hasher(&config()));
    assert!(!shown.contains("7, 7"), "{shown}");
}
