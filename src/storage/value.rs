//! Values that both databases read and write alike.

use std::ops::Deref;

use rusqlite::types::{FromSql, ToSql};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{Decode, Encode, Postgres, Type};

use crate::protocol::client::ClientStatus;
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::id::{ClientId, GrantId, KeyId, SessionId, UserId};
use crate::protocol::jwk::KeyAlgorithm;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// What can be bound to a parameter.
pub trait Value<'v>: ToSql + Encode<'v, Postgres> + Type<Postgres> {}

impl<'v, T> Value<'v> for T where T: ToSql + Encode<'v, Postgres> + Type<Postgres> {}

/// What can be read from a column.
pub trait Column: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl<T> Column for T where T: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

/// Stores a type in the column type of another one: `$show` makes the stored value, `$read` parses it.
macro_rules! stored_as {
    ($type:ty as $stored:ty $(, $generic:ident: $bound:path)?; $show:expr; $read:expr) => {
        impl $(<$generic: $bound>)? rusqlite::types::ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                let show: fn(&Self) -> Result<$stored, sqlx::error::BoxDynError> = $show;
                let stored = show(self).map_err(rusqlite::Error::ToSqlConversionFailure)?;
                Ok(rusqlite::types::ToSqlOutput::from(stored))
            }
        }

        impl $(<$generic: $bound>)? rusqlite::types::FromSql for $type {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                let read: fn($stored) -> Result<Self, sqlx::error::BoxDynError> = $read;
                read(<$stored as rusqlite::types::FromSql>::column_result(value)?).map_err(rusqlite::types::FromSqlError::Other)
            }
        }

        impl $(<$generic: $bound>)? sqlx::Type<sqlx::Postgres> for $type {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                <$stored as sqlx::Type<sqlx::Postgres>>::type_info()
            }

            fn compatible(other: &sqlx::postgres::PgTypeInfo) -> bool {
                <$stored as sqlx::Type<sqlx::Postgres>>::compatible(other)
            }
        }

        impl<'q $(, $generic: $bound)?> sqlx::Encode<'q, sqlx::Postgres> for $type {
            fn encode_by_ref(
                &self,
                buffer: &mut sqlx::postgres::PgArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                let show: fn(&Self) -> Result<$stored, sqlx::error::BoxDynError> = $show;
                <$stored as sqlx::Encode<'q, sqlx::Postgres>>::encode(show(self)?, buffer)
            }
        }

        impl<'r $(, $generic: $bound)?> sqlx::Decode<'r, sqlx::Postgres> for $type {
            fn decode(value: sqlx::postgres::PgValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                let read: fn($stored) -> Result<Self, sqlx::error::BoxDynError> = $read;
                read(<$stored as sqlx::Decode<'r, sqlx::Postgres>>::decode(value)?)
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
stored_as!(Thumbprint as String; |thumbprint| Ok(thumbprint.to_string()); |text| Ok(Thumbprint::parse(&text)?));
words!(ClientStatus { Active = "active", Disabled = "disabled", });
words!(KeyAlgorithm {
    RS256 = "RS256",
    PS256 = "PS256",
    ES256 = "ES256",
    EdDSA = "EdDSA",
    RsaOaep256 = "RSA-OAEP-256",
    EcdhEs = "ECDH-ES",
});

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
