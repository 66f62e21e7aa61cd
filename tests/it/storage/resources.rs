//! The registry of resources.

use ostiary::protocol::resource::Resource;
use ostiary::protocol::time::Timestamp;
use ostiary::storage::error::Error;
use ostiary::storage::resources;
use serde_json::json;

use crate::support::database::{TestDatabase, on_both};

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// One with the type `payment` of authorization details.
fn paying(number: usize) -> Resource {
    let details = json!({ "payment": { "description": "Pay", "schema": {} } });
    Resource {
        id: format!("resource-{number}"),
        identifier: format!("https://pay-{number}.example"),
        metadata: serde_json::from_value(json!({ "name": "Pay", "authorization_details_types": details })).unwrap(),
        created_at: NOON,
        updated_at: NOON,
        version: 1,
    }
}

on_both! {
    /// Each of them sees that nobody has the type, and is right, until another one is quicker.
    async fn of_twenty_resources_that_come_at_once_one_gets_the_type(database: TestDatabase) {
        let tries = (0..20).map(|number| {
            let db = database.db.clone();
            let written = async move |resource: Resource| {
                db.write(async |tx| {
                    resources::settle_types(tx, &resource).await?;
                    resources::insert(tx, &resource).await
                })
                .await
            };
            tokio::spawn(async move { written(paying(number)).await })
        });
        let mut refused = 0;
        for attempt in tries.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                Ok(()) => {}
                Err(Error::Conflict) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(refused, 19);
        let all = resources::all(&mut database.db.read().await.unwrap()).await.unwrap();
        assert_eq!(all.len(), 1);
        let again = Resource { version: 2, ..all[0].clone() };
        database.db.write(async |tx| resources::settle_types(tx, &again).await).await.expect("it may keep its own type");
    }
}
