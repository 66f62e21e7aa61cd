//! How an authorization response travels: query, fragment, form_post (OAuth 2.0 Multiple Response Types §2.1; Form Post Response Mode §2).
