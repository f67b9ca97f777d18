//! What a list can be asked for: pages, order, members and filters.

use std::collections::BTreeMap;

use crate::boolean;
use crate::error::Fault;
use crate::identity::is_uuid;
use crate::link::{address, encoded};
use crate::resource::{FilterValue, Resource};
use crate::version::Microversion;
use crate::version::table::Kind;

/// The most items one page may have, unless a server sets less.
pub const LIMIT_MAX: usize = 1000;

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortDirection {
    /// Smallest first.
    #[default]
    Ascending,
    /// Greatest first.
    Descending,
}

impl SortDirection {
    /// As it stands in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

/// What a request wants of a list, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// The most items of a page; at least 1, at most what the server allows.
    pub limit: usize,
    /// The page starts behind the item with this key.
    pub marker: Option<String>,
    /// The member that gives the order; `id` is the order of creation.
    pub sort_key: String,
    /// The direction of that order.
    pub sort_dir: SortDirection,
    /// The members each item has besides its links.
    pub fields: Option<Vec<String>>,
    /// Whether each item has all its members.
    pub detail: bool,
    filters: BTreeMap<&'static str, FilterArgument>,
}

/// The value of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FilterArgument {
    Text(String),
    Flag(bool),
    List(Vec<String>),
}

impl ListQuery {
    /// Reads the arguments of a list request; of an argument given twice the last counts.
    ///
    /// `arguments` are decoded pairs in the order of the query, `limit_max` is the server's own limit.
    ///
    /// # Errors
    ///
    /// - 400: an unknown argument, or one whose value is wrong.
    /// - 406: an argument or a member named in one is newer than `version`.
    pub fn parse(
        resource: &Resource,
        version: Microversion,
        limit_max: usize,
        arguments: &[(String, String)],
    ) -> Result<Self, Fault> {
        let mut query = Self {
            limit: limit_max,
            marker: None,
            sort_key: "id".to_owned(),
            sort_dir: SortDirection::default(),
            fields: None,
            detail: false,
            filters: BTreeMap::new(),
        };
        let mut unexpected = Vec::new();
        for (name, text) in arguments {
            if !query.read(resource, limit_max, name, text)? {
                unexpected.push(name.as_str());
            }
        }
        if !unexpected.is_empty() {
            return Err(Fault::unexpected_arguments(&unexpected));
        }
        if arguments.iter().any(|(name, _)| !version.has(resource.topic, Kind::Parameter, name)) {
            return Err(Fault::not_acceptable());
        }
        if let Some(fields) = &query.fields {
            if query.detail {
                return Err(Fault::invalid("Can not specify ?detail=True and fields in the same request."));
            }
            resource.check_list_fields(fields, version)?;
        }
        resource.check_sort_key(&query.sort_key, version)?;
        Ok(query)
    }

    /// The text of a filter; `None` when the request does not have it.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.filters.get(name)? {
            FilterArgument::Text(text) => Some(text),
            FilterArgument::Flag(_) | FilterArgument::List(_) => None,
        }
    }

    /// The boolean of a filter; `None` when the request does not have it.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.filters.get(name)? {
            FilterArgument::Flag(flag) => Some(*flag),
            FilterArgument::Text(_) | FilterArgument::List(_) => None,
        }
    }

    /// The texts of a filter that takes several; empty when the request does not have it.
    pub fn list(&self, name: &str) -> &[String] {
        match self.filters.get(name) {
            Some(FilterArgument::List(texts)) => texts,
            Some(FilterArgument::Text(_) | FilterArgument::Flag(_)) | None => &[],
        }
    }

    /// The address of the page behind one that came back full, whose last item has the key `marker`.
    ///
    /// `path` is the list's own below `/v1`, as `nodes` or `nodes/detail`.
    pub fn next(&self, base: &str, path: &str, resource: &Resource, marker: &str) -> String {
        let mut pairs =
            vec![("sort_key", self.sort_key.clone()), ("sort_dir", self.sort_dir.as_str().to_owned())];
        if self.detail {
            if !path.ends_with("/detail") {
                pairs.push(("detail", "True".to_owned()));
            }
        } else {
            let fields =
                self.fields.as_ref().map_or_else(|| resource.summary.join(","), |fields| fields.join(","));
            pairs.push(("fields", fields));
        }
        for (name, argument) in &self.filters {
            pairs.push((name, argument.to_text()));
        }
        pairs.push(("limit", self.limit.to_string()));
        pairs.push(("marker", marker.to_owned()));
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("{}?{}", address(base, path), pairs.join("&"))
    }

    /// Takes in one argument; false when lists of this resource do not have it.
    fn read(&mut self, resource: &Resource, limit_max: usize, name: &str, text: &str) -> Result<bool, Fault> {
        match name {
            "limit" => self.limit = limit(text)?.min(limit_max),
            "marker" => self.marker = Some(text.to_owned()),
            "sort_key" => self.sort_key = text.to_owned(),
            "sort_dir" => self.sort_dir = direction(text)?,
            "fields" => self.fields = Some(names(text)),
            "detail" => self.detail = boolean::from_text(name, text)?,
            _ => match resource.filters.iter().find(|filter| filter.name == name) {
                Some(filter) => {
                    self.filters.insert(filter.name, argument(name, filter.value, text)?);
                }
                None => return Ok(false),
            },
        }
        Ok(true)
    }
}

impl FilterArgument {
    /// As it stands in a query.
    fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Flag(true) => "True".to_owned(),
            Self::Flag(false) => "False".to_owned(),
            Self::List(texts) => texts.join(","),
        }
    }
}

/// Reads the members that a request for one resource selects with `fields=`.
///
/// # Errors
///
/// - 400: an unknown argument or member.
/// - 406: `fields` or a member is newer than `version`.
pub fn selected_fields(
    resource: &Resource,
    version: Microversion,
    arguments: &[(String, String)],
) -> Result<Option<Vec<String>>, Fault> {
    let unexpected: Vec<&str> =
        arguments.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "fields").collect();
    if !unexpected.is_empty() {
        return Err(Fault::unexpected_arguments(&unexpected));
    }
    let Some((_, text)) = arguments.last() else { return Ok(None) };
    if !version.has(resource.topic, Kind::Parameter, "fields") {
        return Err(Fault::not_acceptable());
    }
    let fields = names(text);
    resource.check_fields(&fields, version)?;
    Ok(Some(fields))
}

/// Reads the size of a page.
fn limit(text: &str) -> Result<usize, Fault> {
    let number: i64 =
        text.trim().parse().map_err(|_| Fault::invalid(format!("Expected an integer for limit: {text}")))?;
    match usize::try_from(number) {
        Ok(0) | Err(_) => Err(Fault::invalid("Limit must be positive")),
        Ok(limit) => Ok(limit),
    }
}

/// Reads the direction of the order.
fn direction(text: &str) -> Result<SortDirection, Fault> {
    match text {
        "asc" => Ok(SortDirection::Ascending),
        "desc" => Ok(SortDirection::Descending),
        _ => Err(Fault::invalid(format!(
            "Invalid sort direction: {text}. Acceptable values are 'asc' or 'desc'"
        ))),
    }
}

/// Reads the value of a filter.
fn argument(name: &str, value: FilterValue, text: &str) -> Result<FilterArgument, Fault> {
    match value {
        FilterValue::Text => Ok(FilterArgument::Text(text.to_owned())),
        FilterValue::Flag => Ok(FilterArgument::Flag(boolean::from_text(name, text)?)),
        FilterValue::List => Ok(FilterArgument::List(names(text))),
        FilterValue::Uuid if is_uuid(text) => Ok(FilterArgument::Text(text.to_owned())),
        FilterValue::Uuid => Err(Fault::invalid_uuid(name, text)),
    }
}

/// Texts separated by commas, without empty ones.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NODE;

    fn parse(minor: u16, arguments: &[(&str, &str)]) -> Result<ListQuery, Fault> {
        let arguments: Vec<(String, String)> =
            arguments.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        ListQuery::parse(&NODE, Microversion::new(minor), 1000, &arguments)
    }

    fn refused(minor: u16, arguments: &[(&str, &str)]) -> String {
        let fault = parse(minor, arguments).unwrap_err();
        format!("{} {fault}", fault.code())
    }

    #[test]
    fn a_list_without_arguments_is_in_the_order_of_creation() {
        let query = parse(115, &[]).unwrap();

        assert_eq!((query.limit, query.sort_key.as_str(), query.sort_dir.as_str()), (1000, "id", "asc"));
        assert_eq!((query.fields, query.detail, query.marker), (None, false, None));
    }

    #[test]
    fn limits_above_the_servers_are_cut() {
        assert_eq!(parse(115, &[("limit", "5000")]).unwrap().limit, 1000);
        assert_eq!(parse(115, &[("limit", "3")]).unwrap().limit, 3);
    }

    #[test]
    fn filters_are_read_by_their_kind() {
        let query = parse(
            115,
            &[("driver", "ipmi"), ("maintenance", "False"), ("shard", "a, b"), ("fields", "uuid,name")],
        )
        .unwrap();

        assert_eq!(query.text("driver"), Some("ipmi"));
        assert_eq!(query.flag("maintenance"), Some(false));
        assert_eq!(query.list("shard"), ["a", "b"]);
        assert_eq!(query.fields, Some(vec!["uuid".to_owned(), "name".to_owned()]));
        assert_eq!(query.text("owner"), None);
    }

    #[test]
    fn wrong_arguments_are_refused_in_the_words_of_the_reference() {
        let refusals = [
            refused(72, &[("limit", "-1")]),
            refused(72, &[("limit", "0")]),
            refused(72, &[("limit", "abc")]),
            refused(72, &[("sort_key", "properties")]),
            refused(72, &[("sort_key", "bogus")]),
            refused(72, &[("sort_key", "links")]),
            refused(72, &[("sort_dir", "up")]),
            refused(72, &[("bogus", "1"), ("other", "1")]),
            refused(72, &[("detail", "True"), ("fields", "uuid")]),
            refused(72, &[("fields", "uuid,bogus")]),
            refused(72, &[("instance_uuid", "1")]),
        ];

        insta::assert_snapshot!(refusals.join("\n"), @r#"
        400 Limit must be positive
        400 Limit must be positive
        400 Expected an integer for limit: abc
        400 The sort_key value properties is an invalid field for sorting
        400 The sort_key value "bogus" is an invalid field for sorting
        400 The sort_key value "links" is an invalid field for sorting
        400 Invalid sort direction: up. Acceptable values are 'asc' or 'desc'
        400 Unexpected arguments: bogus, other
        400 Can not specify ?detail=True and fields in the same request.
        400 Field(s) "bogus" are not valid
        400 Expected UUID for instance_uuid: 1
        "#);
    }

    #[test]
    fn what_is_newer_than_the_version_is_not_acceptable() {
        for (minor, name, text) in [
            (7, "fields", "uuid"),
            (15, "driver", "ipmi"),
            (42, "detail", "true"),
            (37, "fields", "rescue_interface"),
            (4, "sort_key", "name"),
        ] {
            assert_eq!(refused(minor, &[(name, text)]), "406 Request not acceptable.", "{name} at 1.{minor}");
        }
    }

    #[test]
    fn the_next_page_repeats_the_question() {
        let query =
            parse(115, &[("limit", "2"), ("owner", "a b&c"), ("associated", "yes"), ("sort_dir", "desc")])
                .unwrap();

        let next = query.next("http://h", "nodes", &NODE, "m");

        assert_eq!(
            next,
            "http://h/v1/nodes?sort_key=id&sort_dir=desc&fields=instance_uuid,maintenance,power_state,\
             provision_state,uuid,name&associated=True&owner=a%20b%26c&limit=2&marker=m"
        );
    }

    #[test]
    fn the_next_page_of_details_is_detailed() {
        let query = parse(115, &[("detail", "true"), ("limit", "1")]).unwrap();

        assert_eq!(
            query.next("http://h", "nodes", &NODE, "m"),
            "http://h/v1/nodes?sort_key=id&sort_dir=asc&detail=True&limit=1&marker=m"
        );
        assert_eq!(
            query.next("http://h", "nodes/detail", &NODE, "m"),
            "http://h/v1/nodes/detail?sort_key=id&sort_dir=asc&limit=1&marker=m"
        );
    }

    #[test]
    fn one_resource_takes_fields_alone() {
        let fields = |minor, name: &str, text: &str| {
            selected_fields(&NODE, Microversion::new(minor), &[(name.to_owned(), text.to_owned())])
        };

        assert_eq!(fields(115, "fields", "uuid").unwrap(), Some(vec!["uuid".to_owned()]));
        assert_eq!(fields(115, "limit", "1").unwrap_err().message(), "Unexpected arguments: limit");
        assert_eq!(fields(7, "fields", "uuid").unwrap_err().code(), 406);
        assert_eq!(selected_fields(&NODE, Microversion::new(1), &[]), Ok(None));
    }
}
