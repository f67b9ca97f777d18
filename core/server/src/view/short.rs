//! The short form of lists: written from what the store read for it, member by member, and nothing else is made.
//!
//! The longest list has a thousand items, of which clients ask all day.

use farrier_api::link::{Link, pair};
use farrier_api::resource::{LINKS, Resource, shown_provision_state};
use farrier_api::version::Microversion;
use farrier_store::{NodeSummary, PortSummary};
use serde::ser::{Serialize, SerializeMap, Serializer};
use uuid::Uuid;

use super::Selection;
use super::node::power_state;

/// What the short form shows of each item of a list.
#[derive(Debug)]
pub(crate) struct Short<'a> {
    collection: &'static str,
    base: &'a str,
    version: Microversion,
    members: Vec<&'static str>,
}

/// One item in the short form.
#[derive(Debug)]
pub(crate) struct ShortItem<'a, R> {
    short: &'a Short<'a>,
    record: &'a R,
}

impl<'a> Short<'a> {
    /// The short form that answers a request; none when it selects more than that.
    pub(crate) fn of(
        resource: &Resource,
        base: &'a str,
        version: Microversion,
        selection: &Selection,
    ) -> Option<Self> {
        let fields = match selection {
            Selection::Whole => return None,
            Selection::Short => None,
            Selection::Fields(fields) => Some(fields.as_slice()),
        };
        let members = resource.summary_members(version, fields)?;
        Some(Self { collection: resource.collection, base, version, members })
    }

    /// The items of a list.
    pub(crate) fn items<R>(&'a self, records: &'a [R]) -> Vec<ShortItem<'a, R>> {
        records.iter().map(|record| ShortItem { short: self, record }).collect()
    }

    fn links(&self, uuid: Uuid) -> Vec<Link> {
        pair(self.base, &format!("{}/{uuid}", self.collection))
    }
}

/// A record that lists have in short form.
pub(crate) trait InShort {
    fn uuid(&self) -> Uuid;

    /// Writes the member called `name`, unless that is the links. The tests compare with the whole record, where one
    /// that is forgotten here shows.
    fn write<M: SerializeMap>(
        &self,
        name: &'static str,
        version: Microversion,
        members: &mut M,
    ) -> Result<(), M::Error>;
}

impl InShort for NodeSummary {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn write<M: SerializeMap>(
        &self,
        name: &'static str,
        version: Microversion,
        members: &mut M,
    ) -> Result<(), M::Error> {
        match name {
            "uuid" => members.serialize_entry(name, &self.uuid),
            "name" => members.serialize_entry(name, &self.name),
            "instance_uuid" => members.serialize_entry(name, &self.instance_uuid),
            "maintenance" => members.serialize_entry(name, &self.maintenance),
            "power_state" => members.serialize_entry(name, &self.power_state.and_then(power_state)),
            "provision_state" => {
                let state = shown_provision_state(self.provision_state.as_str(), version);
                members.serialize_entry(name, &state)
            }
            _ => Ok(()),
        }
    }
}

impl InShort for PortSummary {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn write<M: SerializeMap>(
        &self,
        name: &'static str,
        _version: Microversion,
        members: &mut M,
    ) -> Result<(), M::Error> {
        match name {
            "uuid" => members.serialize_entry(name, &self.uuid),
            "address" => members.serialize_entry(name, &self.address),
            _ => Ok(()),
        }
    }
}

impl<R: InShort> Serialize for ShortItem<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { short, record } = self;
        let mut members = serializer.serialize_map(Some(short.members.len()))?;
        for &name in &short.members {
            if name == LINKS {
                members.serialize_entry(name, &short.links(record.uuid()))?;
            } else {
                record.write(name, short.version, &mut members)?;
            }
        }
        members.end()
    }
}
