//! Routes that carry their description with them, unread: the router is made at the start, the description only when
//! somebody asks for it.
//!
//! Made at the start, the description would cost six megabytes for a moment, of which the allocator keeps four.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, Route};
use tower::Layer;
use utoipa::openapi::path::Paths;
use utoipa::openapi::{Components, OpenApi, OpenApiBuilder, RefOr, Schema};
use utoipa_axum::PathItemExt;

use crate::state::AppState;

/// Describes the operations of one path, and the schemas that they name.
type Describe = fn() -> (Vec<(String, RefOr<Schema>)>, Paths);

/// The operations of one path; [`routes!`] makes it.
pub(super) struct Routes {
    path: String,
    methods: MethodRouter<AppState>,
    describe: Describe,
}

impl Routes {
    pub(super) fn described_by(describe: Describe) -> Self {
        Self { path: String::new(), methods: MethodRouter::new(), describe }
    }

    /// Adds the operation that `P` describes. Those of one `routes!` have one path.
    pub(super) fn on<P, H, T>(mut self, handler: &H) -> Self
    where
        P: utoipa::Path,
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.path = P::path();
        self.methods =
            P::methods().iter().fold(self.methods, |methods, method| methods.on(method.to_method_filter(), handler.clone()));
        self
    }
}

/// A router, and what describes its routes.
#[derive(Default)]
pub(super) struct ApiRouter {
    router: Router<AppState>,
    descriptions: Descriptions,
}

impl ApiRouter {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn routes(mut self, routes: Routes) -> Self {
        self.descriptions.0.push(routes.describe);
        Self { router: self.router.route(&routes.path, routes.methods), ..self }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.descriptions.0.extend(other.descriptions.0);
        Self { router: self.router.merge(other.router), ..self }
    }

    pub(super) fn route_layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: tower::Service<axum::extract::Request, Error = std::convert::Infallible> + Clone + Send + Sync + 'static,
        <L::Service as tower::Service<axum::extract::Request>>::Response: axum::response::IntoResponse + 'static,
        <L::Service as tower::Service<axum::extract::Request>>::Future: Send + 'static,
    {
        Self { router: self.router.route_layer(layer), ..self }
    }

    pub(super) fn into_parts(self) -> (Router<AppState>, Descriptions) {
        (self.router, self.descriptions)
    }
}

/// What describes a router's routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptions(Vec<Describe>);

impl Descriptions {
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// All of them, as one document.
    pub(super) fn read(&self) -> OpenApi {
        let mut whole = OpenApiBuilder::new().components(Some(Components::new())).build();
        for (schemas, paths) in self.0.iter().map(|describe| describe()) {
            whole.paths.paths.extend(paths.paths);
            whole.components.get_or_insert_default().schemas.extend(schemas);
        }
        whole
    }

    /// The names that stand for two different schemas: only one of them would be described.
    #[cfg(test)]
    pub(super) fn clashes(&self) -> Vec<String> {
        let mut seen = std::collections::BTreeMap::new();
        let schemas = self.0.iter().flat_map(|describe| describe().0);
        let clashing = schemas.filter(|(name, schema)| seen.entry(name.clone()).or_insert_with(|| schema.clone()) != schema);
        clashing.map(|(name, _)| name).collect()
    }
}

/// The handlers of one path, with the descriptions that `#[utoipa::path]` gave them: `routes!(list, create)`,
/// `routes!(read, change::update)`.
macro_rules! routes {
    ($($first:ident $(:: $second:ident)?),+ $(,)?) => {
        $crate::api::route::Routes::described_by(|| {
            let (schemas, paths, _): utoipa_axum::router::UtoipaMethodRouter<$crate::state::AppState> =
                utoipa_axum::routes!($($first $(:: $second)?),+);
            (schemas, paths)
        })
        $(.on::<$crate::api::route::description!($first $(:: $second)?), _, _>(&$first $(:: $second)?))+
    };
}

/// The type that `#[utoipa::path]` makes beside a handler.
macro_rules! description {
    ($handler:ident) => {
        pastey::paste! { [<__path_ $handler>] }
    };
    ($module:ident :: $handler:ident) => {
        pastey::paste! { $module::[<__path_ $handler>] }
    };
}

pub(super) use {description, routes};
