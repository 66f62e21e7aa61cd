//! Protection of forms against requests forged by other sites.
