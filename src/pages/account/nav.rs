//! The way from one of a person's own pages to the next.

use crate::flow::visitor::Login;
use crate::pages::admin;
use crate::pages::view::Frame;
use crate::state::AppState;

macro_rules! places {
    ($($variant:ident = $path:literal, $title:literal;)*) => {
        /// A page of the account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Place {
            $($variant,)*
        }

        impl Place {
            /// In the order in which they are offered.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }

            const fn message(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

places! {
    Overview = "/account", "nav-overview";
    Security = "/account/security", "nav-security";
    Sessions = "/account/sessions", "nav-sessions";
    Apps = "/account/apps", "nav-apps";
    Requests = "/account/requests", "nav-requests";
    Activity = "/account/activity", "nav-activity";
    Language = "/account/language", "nav-language";
    Data = "/account/data", "nav-data";
}

impl Place {
    pub fn title(self, frame: &Frame) -> String {
        frame.text.of(self.message())
    }
}

/// What `templates/room.html` needs of every such page.
#[derive(Clone, Copy, Debug)]
pub struct Nav {
    pub place: Place,
    /// Has a role that leads to the administrator's page.
    pub is_administrator: bool,
}

impl Nav {
    pub fn of(state: &AppState, login: &Login, place: Place) -> Self {
        Self { place, is_administrator: admin::scope_of(state, &login.user).is_some() }
    }

    /// Every place, and whether it is this one. Few people are ever asked for: where that is decided is offered when somebody is.
    pub fn places(self) -> impl Iterator<Item = (Place, bool)> {
        let offered = move |place: &&Place| **place != Place::Requests || self.place == Place::Requests;
        Place::ALL.iter().filter(offered).map(move |place| (*place, *place == self.place))
    }
}
