//! What has to change so that an installation is as its documents say.

use std::collections::BTreeSet;

use super::document::{CLIENTS, DeclaredClient, Document, RESOURCES};
use super::path::{Complaint, Path};
use crate::protocol::client::{Client, ClientMetadata, ClientStatus};
use crate::protocol::client_registration::{self, Problem, RegistrationPolicy, check_change, check_id};
use crate::protocol::id::ClientId;
use crate::protocol::resource::{Resource, ResourceMetadata, Resources};
use crate::protocol::resource_registration::{self, taken_types};
use crate::protocol::time::Timestamp;

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// In the order of identifiers.
    pub clients: Vec<Client>,
    pub resources: Vec<Resource>,
}

/// What the decision rests on beside the documents and what there is.
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Rules<'a> {
    pub issuer: &'a str,
    pub now: Timestamp,
    /// Whether what stands in no document goes, of the kinds that the documents name.
    pub prune: bool,
    /// What a client may be registered for beside these resources, or why nobody can tell.
    pub policy: &'a (dyn Fn(Vec<Resource>) -> Result<RegistrationPolicy, String> + Sync),
    /// Whether the secret that the document refers to is the one that the client has.
    pub knows_secret: &'a (dyn Fn(&Client) -> bool + Sync),
}

/// Every change, in the order of identifiers. Empty: all is as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub resources: Vec<ResourceChange>,
    pub clients: Vec<ClientChange>,
    /// What there is and no document names, and stays: the kind and the identifier.
    pub undeclared: Vec<(&'static str, String)>,
}

/// What happens to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<Before, After> {
    Create(After),
    Change(Before, After),
    Delete(Before),
}

impl<Before, After> Edit<Before, After> {
    fn new(before: Option<Before>, after: After) -> Self {
        match before {
            Some(before) => Self::Change(before, after),
            None => Self::Create(after),
        }
    }

    pub const fn before(&self) -> Option<&Before> {
        match self {
            Self::Create(_) => None,
            Self::Change(before, _) | Self::Delete(before) => Some(before),
        }
    }

    pub const fn after(&self) -> Option<&After> {
        match self {
            Self::Create(after) | Self::Change(_, after) => Some(after),
            Self::Delete(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    pub identifier: String,
    pub edit: Edit<Resource, ResourceMetadata>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientChange {
    pub id: ClientId,
    pub edit: Edit<Client, (ClientStatus, ClientMetadata)>,
    /// It gets the secret that the document refers to.
    pub secret: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.clients.is_empty()
    }

    /// Decides, or tells everything that may not be.
    pub fn decide(document: &Document, present: &Present, rules: &Rules<'_>) -> Result<Self, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut plan = Self::default();
        plan.decide_resources(document, present, rules);
        let coming = plan.coming_resources(present, rules.now);
        let policy = (rules.policy)(coming.clone()).map_err(|sentence| vec![Complaint::new(Path::default(), sentence)])?;
        let all = Resources::new(coming.clone());
        for (identifier, metadata) in plan.resources.iter().filter_map(|change| Some((&change.identifier, change.edit.after()?)))
        {
            let mut problems = resource_registration::validate(identifier, metadata, &policy, rules.issuer);
            let itself = coming.iter().find(|resource| resource.identifier == *identifier);
            problems.extend(itself.into_iter().flat_map(|resource| taken_types(resource, &all)));
            complaints.extend(complained(&Path::of(RESOURCES, identifier), problems));
        }
        plan.decide_clients(document, present, (rules, &policy), &mut complaints);
        if complaints.is_empty() { Ok(plan) } else { Err(complaints) }
    }

    fn decide_resources(&mut self, document: &Document, present: &Present, rules: &Rules<'_>) {
        let Some(declared) = &document.resources else { return };
        for (identifier, metadata) in declared {
            let before = present.resources.iter().find(|resource| resource.identifier == *identifier);
            if before.is_none_or(|before| before.metadata != *metadata) {
                let edit = Edit::new(before.cloned(), metadata.clone());
                self.resources.push(ResourceChange { identifier: identifier.clone(), edit });
            }
        }
        for resource in present.resources.iter().filter(|resource| !declared.contains_key(&resource.identifier)) {
            let identifier = resource.identifier.clone();
            if rules.prune {
                self.resources.push(ResourceChange { identifier, edit: Edit::Delete(resource.clone()) });
            } else {
                self.undeclared.push((RESOURCES, identifier));
            }
        }
    }

    /// The resources that there will be. New ones have their identifier for an id.
    fn coming_resources(&self, present: &Present, now: Timestamp) -> Vec<Resource> {
        let changed: BTreeSet<&str> = self.resources.iter().map(|change| change.identifier.as_str()).collect();
        let same = present.resources.iter().filter(|resource| !changed.contains(resource.identifier.as_str())).cloned();
        let others = self.resources.iter().filter_map(|change| {
            let (metadata, identifier) = (change.edit.after()?.clone(), change.identifier.clone());
            Some(match change.edit.before() {
                Some(before) => Resource { metadata, ..before.clone() },
                None => Resource { id: identifier.clone(), identifier, metadata, created_at: now, updated_at: now, version: 1 },
            })
        });
        same.chain(others).collect()
    }

    fn decide_clients(
        &mut self,
        document: &Document,
        present: &Present,
        (rules, policy): (&Rules<'_>, &RegistrationPolicy),
        complaints: &mut Vec<Complaint>,
    ) {
        let Some(declared) = &document.clients else { return };
        for (id, client) in declared {
            let before = present.clients.iter().find(|known| known.id == *id);
            match client_change(id, client, before, (rules, policy)) {
                Ok(change) => self.clients.extend(change),
                Err(found) => complaints.extend(found),
            }
        }
        // Those that registered themselves, or are documents of their own, are nobody's configuration.
        let undeclared =
            present.clients.iter().filter(|client| !declared.contains_key(&client.id) && !client.metadata.self_registered);
        for client in undeclared {
            let id = client.id.clone();
            if rules.prune {
                self.clients.push(ClientChange { id, edit: Edit::Delete(client.clone()), secret: false });
            } else {
                self.undeclared.push((CLIENTS, id.into()));
            }
        }
    }
}

fn client_change(
    id: &ClientId,
    declared: &DeclaredClient,
    before: Option<&Client>,
    (rules, policy): (&Rules<'_>, &RegistrationPolicy),
) -> Result<Option<ClientChange>, Vec<Complaint>> {
    let path = Path::of(CLIENTS, id.as_str());
    let metadata = &declared.metadata;
    let method = metadata.token_endpoint_auth_method;
    let mut problems = Vec::new();
    if before.is_none() {
        problems.extend(check_id(id).map(|problem| Complaint::new(path.clone(), problem.message)));
    }
    // What stands as it stood is not judged anew.
    if before.is_none_or(|before| before.metadata != *metadata) {
        problems.extend(complained(&path, client_registration::validate(metadata, policy).err().unwrap_or_default()));
        problems
            .extend(complained(&path, before.and_then(|before| check_change(&before.metadata, metadata)).into_iter().collect()));
    }
    let has_one = before.is_some_and(|before| before.secrets.iter().any(|secret| secret.is_valid(rules.now)));
    let secret = match &declared.secret {
        Some(_) if !method.has_secret() => {
            let sentence = format!("must not be there: a client with {} has no secret", method.as_str());
            problems.push(Complaint::new(path.member("client_secret"), sentence));
            false
        }
        Some(_) => before.is_none_or(|before| !(rules.knows_secret)(&Client { metadata: metadata.clone(), ..before.clone() })),
        None if method.has_secret() && !has_one => {
            let sentence = "needs a client_secret, by reference: { file = \"…\" } or { env = \"…\" }";
            problems.push(Complaint::new(path, sentence));
            false
        }
        None => false,
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let status = declared.status.or(before.map(|before| before.status)).unwrap_or(ClientStatus::Active);
    let is_same = before.is_some_and(|before| before.status == status && before.metadata == *metadata) && !secret;
    let edit = || Edit::new(before.cloned(), (status, metadata.clone()));
    Ok((!is_same).then(|| ClientChange { id: id.clone(), edit: edit(), secret }))
}

/// What registration says, at its place in the document.
pub fn complained(path: &Path, problems: Vec<Problem>) -> impl Iterator<Item = Complaint> {
    problems.into_iter().map(|problem| Complaint::new(path.field(&problem.field), problem.message))
}
