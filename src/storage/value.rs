//! Values that both databases read and write alike.

use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{Decode, Encode, Postgres, Sqlite, Type};

use crate::protocol::client::{Algorithm, ClientStatus};
use crate::protocol::id::{ClientId, GrantId, KeyId, SessionId, UserId};
use crate::protocol::pkce::CodeChallenge;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// What can be bound to a parameter.
pub trait Value<'v>: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}

impl<'v, T> Value<'v> for T where T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres> {}

/// What can be read from a column.
pub trait Column: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl<T> Column for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

/// Stores a type in the column type of another one: `$show` makes the stored value, `$read` parses it.
macro_rules! stored_as {
    ($type:ty as $stored:ty $(, $generic:ident: $bound:path)?; $show:expr; $read:expr) => {
        impl<DB: sqlx::Database $(, $generic: $bound)?> sqlx::Type<DB> for $type
        where
            $stored: sqlx::Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <$stored as sqlx::Type<DB>>::type_info()
            }

            fn compatible(other: &DB::TypeInfo) -> bool {
                <$stored as sqlx::Type<DB>>::compatible(other)
            }
        }

        impl<'q, DB: sqlx::Database $(, $generic: $bound)?> sqlx::Encode<'q, DB> for $type
        where
            $stored: sqlx::Encode<'q, DB>,
        {
            fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                let show: fn(&Self) -> Result<$stored, sqlx::error::BoxDynError> = $show;
                show(self)?.encode(buffer)
            }
        }

        impl<'r, DB: sqlx::Database $(, $generic: $bound)?> sqlx::Decode<'r, DB> for $type
        where
            $stored: sqlx::Decode<'r, DB>,
        {
            fn decode(value: DB::ValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                let read: fn($stored) -> Result<Self, sqlx::error::BoxDynError> = $read;
                read(<$stored as sqlx::Decode<'r, DB>>::decode(value)?)
            }
        }
    };
}
pub(super) use stored_as;

/// Stores an enum as fixed words.
macro_rules! words {
    ($type:ty { $($variant:ident = $word:literal,)+ }) => {
        $crate::storage::value::stored_as!($type as String;
            |value| Ok(match value { $(<$type>::$variant => $word,)+ }.to_owned());
            |text| match text.as_str() {
                $($word => Ok(<$type>::$variant),)+
                _ => Err(concat!("not a ", stringify!($type)).into()),
            });
    };
}
pub(super) use words;

macro_rules! identifiers {
    ($($type:ty),*) => {$(
        stored_as!($type as String; |id| Ok(id.as_str().to_owned()); |text| Ok(<$type>::parse(text)?));
    )*};
}

identifiers!(ClientId, GrantId, KeyId, SessionId, UserId);
stored_as!(Timestamp as i64; |time| Ok(time.as_micros()); |micros| Ok(Timestamp::from_micros(micros)));
stored_as!(Scope as String; |scope| Ok(scope.to_string()); |text| Ok(Scope::parse(&text)?));
stored_as!(CodeChallenge as String;
    |challenge| Ok(challenge.as_str().to_owned());
    |text| CodeChallenge::try_from(text).map_err(|_| "not a code challenge".into()));
words!(ClientStatus { Active = "active", Disabled = "disabled", });
words!(Algorithm { RS256 = "RS256", PS256 = "PS256", ES256 = "ES256", EdDSA = "EdDSA", });

/// A value that is stored as JSON, in a TEXT column.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

stored_as!(Json<T> as String, T: JsonValue; |json| Ok(serde_json::to_string(&json.0)?); |text| Ok(Json(serde_json::from_str(&text)?)));

/// What can be stored as JSON in a TEXT column.
pub trait JsonValue: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> JsonValue for T {}

/// HMAC-SHA256 of a token, session or secret: what is stored instead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

stored_as!(Hash as Vec<u8>;
    |hash| Ok(hash.0.to_vec());
    |bytes| Ok(Hash(<[u8; 32]>::try_from(bytes).map_err(|_| "not a hash of 32 bytes")?)));

impl Deref for Hash {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A text as a `LIKE` pattern (`ESCAPE '\'`) that finds it anywhere: `%`, `_` and `\` in it stand for themselves.
///
/// `LIKE` ignores the case of ASCII letters on SQLite and doesn't on PostgreSQL: compare with a column in one case, and
/// hand over a text in that case.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_searched_text_stand_for_themselves() {
        assert_eq!(containing("a%b_c\\d"), "%a\\%b\\_c\\\\d%");
    }
}
