//! Which requests are work on a node, and which method of the conductor's service each is.

/// What a request is about, so that its conductor can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The machine of a node, named in the path.
    Machine,
    /// The record of a node, named in the path: can be changed without its driver.
    Record,
    /// A node that is to be made.
    NewNode,
    /// A port, named in the path: a record of its node.
    Port,
    /// A port that is to be made.
    NewPort,
    /// A hardware type, named in the path: any conductor that offers it will do.
    Driver,
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    /// Its name in calls.
    pub(crate) name: &'static str,
    /// HTTP methods, separated by spaces; `*` for any.
    verbs: &'static str,
    /// The path; `{}` stands for one element, and the first of them names the subject.
    path: &'static str,
    /// What it is about.
    pub(crate) subject: Subject,
}

const fn method(name: &'static str, verbs: &'static str, path: &'static str, subject: Subject) -> Method {
    Method { name, verbs, path, subject }
}

use Subject::{Driver, Machine, NewNode, NewPort, Port, Record};

/// All of them; the first that fits counts. What is not here needs only the database, which all conductors share.
#[rustfmt::skip]
const METHODS: &[Method] = &[
    method("node_create",               "POST",            "/v1/nodes",                                   NewNode),
    method("node_update",               "PATCH",           "/v1/nodes/{}",                                Record),
    method("node_delete",               "DELETE",          "/v1/nodes/{}",                                Record),
    method("node_set_maintenance",      "PUT DELETE",      "/v1/nodes/{}/maintenance",                    Record),
    method("node_set_traits",           "PUT DELETE",      "/v1/nodes/{}/traits",                         Record),
    method("node_set_trait",            "PUT DELETE",      "/v1/nodes/{}/traits/{}",                      Record),
    method("validate",                  "GET",             "/v1/nodes/{}/validate",                       Machine),
    method("change_power",              "PUT",             "/v1/nodes/{}/states/power",                   Machine),
    method("provision",                 "PUT",             "/v1/nodes/{}/states/provision",               Machine),
    method("set_boot_mode",             "PUT",             "/v1/nodes/{}/states/boot_mode",               Machine),
    method("set_secure_boot",           "PUT",             "/v1/nodes/{}/states/secure_boot",             Machine),
    method("set_target_raid_config",    "PUT",             "/v1/nodes/{}/states/raid",                    Machine),
    method("console",                   "GET",             "/v1/nodes/{}/states/console",                 Machine),
    method("set_console",               "PUT",             "/v1/nodes/{}/states/console",                 Machine),
    method("boot_device",               "GET",             "/v1/nodes/{}/management/boot_device",         Machine),
    method("set_boot_device",           "PUT",             "/v1/nodes/{}/management/boot_device",         Machine),
    method("supported_boot_devices",    "GET",             "/v1/nodes/{}/management/boot_device/supported", Machine),
    method("inject_nmi",                "PUT",             "/v1/nodes/{}/management/inject_nmi",          Machine),
    method("supported_indicators",      "GET",             "/v1/nodes/{}/management/indicators",          Machine),
    method("indicator",                 "GET",             "/v1/nodes/{}/management/indicators/{}",       Machine),
    method("set_indicator",             "PUT",             "/v1/nodes/{}/management/indicators/{}",       Machine),
    method("vendor_methods",            "GET",             "/v1/nodes/{}/vendor_passthru/methods",        Machine),
    method("vendor_call",               "*",               "/v1/nodes/{}/vendor_passthru",                Machine),
    method("vendor_call",               "*",               "/v1/nodes/{}/vendor_passthru/{}",             Machine),
    method("vifs",                      "GET",             "/v1/nodes/{}/vifs",                           Machine),
    method("vif_attach",                "POST",            "/v1/nodes/{}/vifs",                           Machine),
    method("vif_detach",                "DELETE",          "/v1/nodes/{}/vifs/{}",                        Machine),
    method("virtual_media",             "GET",             "/v1/nodes/{}/vmedia",                         Machine),
    method("virtual_media_attach",      "POST",            "/v1/nodes/{}/vmedia",                         Machine),
    method("virtual_media_detach",      "DELETE",          "/v1/nodes/{}/vmedia",                         Machine),
    method("heartbeat",                 "POST",            "/v1/heartbeat/{}",                            Machine),
    method("port_create",               "POST",            "/v1/ports",                                   NewPort),
    method("port_update",               "PATCH",           "/v1/ports/{}",                                Port),
    method("port_delete",               "DELETE",          "/v1/ports/{}",                                Port),
    method("driver_properties",         "GET",             "/v1/drivers/{}/properties",                   Driver),
    method("raid_logical_disk_properties", "GET",          "/v1/drivers/{}/raid/logical_disk_properties", Driver),
    method("driver_vendor_methods",     "GET",             "/v1/drivers/{}/vendor_passthru/methods",      Driver),
    // next method above this line
];

/// The method a request is, and the name of its subject as it stands in the path, if it stands there.
pub(crate) fn find<'a>(verb: &str, path: &'a str) -> Option<(Method, Option<&'a str>)> {
    METHODS.iter().filter(|method| method.has_verb(verb)).find_map(|method| {
        let subject = method.fits(path)?;
        Some((*method, subject))
    })
}

impl Method {
    fn has_verb(&self, verb: &str) -> bool {
        self.verbs == "*" || self.verbs.split(' ').any(|own| own == verb)
    }

    /// The first element that the path leaves open, if the path fits.
    fn fits<'a>(&self, path: &'a str) -> Option<Option<&'a str>> {
        let (mut wanted, mut given) = (self.path.split('/'), path.split('/'));
        let mut subject = None;
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some(subject),
                (Some("{}"), Some(element)) if !element.is_empty() => subject = subject.or(Some(element)),
                (Some(wanted), Some(element)) if wanted == element => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_methods_by_verb_and_path() {
        let found = |verb, path| find(verb, path).map(|(method, subject)| (method.name, subject));

        assert_eq!(found("PUT", "/v1/nodes/n1/states/power"), Some(("change_power", Some("n1"))));
        assert_eq!(found("PATCH", "/v1/nodes/n1"), Some(("node_update", Some("n1"))));
        assert_eq!(found("POST", "/v1/nodes"), Some(("node_create", None)));
        assert_eq!(found("DELETE", "/v1/nodes/n1/vifs/v1"), Some(("vif_detach", Some("n1"))));
        assert_eq!(
            found("GET", "/v1/nodes/n1/vendor_passthru/methods"),
            Some(("vendor_methods", Some("n1")))
        );
        assert_eq!(found("POST", "/v1/nodes/n1/vendor_passthru/go"), Some(("vendor_call", Some("n1"))));
    }

    #[test]
    fn what_needs_only_the_database_is_no_method() {
        for (verb, path) in [
            ("GET", "/v1/nodes"),
            ("GET", "/v1/nodes/n1"),
            ("GET", "/v1/nodes/n1/states"),
            ("GET", "/v1/nodes/n1/history"),
            ("GET", "/v1/ports/p1"),
            ("GET", "/v1/drivers"),
            ("GET", "/v1/conductors"),
            ("PATCH", "/v1/nodes/"),
            ("PATCH", "/v1/nodes/n1/"),
            ("GET", "/"),
        ] {
            assert_eq!(find(verb, path), None, "{verb} {path}");
        }
    }

    #[test]
    fn every_method_can_be_reached_and_has_one_name() {
        for wanted in METHODS {
            let path = wanted.path.replace("{}", "x");
            for verb in wanted.verbs.replace('*', "GET POST").split(' ') {
                let (found, _) = find(verb, &path).unwrap();
                assert_eq!(found.name, wanted.name, "{verb} {path}");
            }
        }
    }
}
