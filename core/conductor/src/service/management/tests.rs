use farrier_model::history::Severity;
use farrier_model::provision::ProvisionState as S;

use super::super::ConsoleMode;
use super::*;
use crate::script::stage::{Stage, context};
use crate::task::tests::quick;

/// What is asked of a machine in the background.
#[derive(Debug, Clone, Copy)]
enum Change {
    BootMode,
    SecureBoot,
    Console,
    ConsoleOff,
    MediaIn,
    MediaOut,
}

impl Change {
    /// Each with the driver's method, how its entry in the history is called and begins.
    const ALL: [(Self, &str, &str, &str); 6] = [
        (Self::BootMode, "management.set_boot_mode", "management", "Failed to change boot mode to 'bios': "),
        (
            Self::SecureBoot,
            "management.set_secure_boot_state",
            "management",
            "Failed to change secure boot state to 'on': ",
        ),
        (Self::Console, "console.start_console", "console", "Error enabling console. Error: "),
        (Self::ConsoleOff, "console.stop_console", "console", "Error disabling console. Error: "),
        (
            Self::MediaIn,
            "management.attach_virtual_media",
            "management",
            "Failed to attach an image to device cdrom: ",
        ),
        (Self::MediaOut, "management.detach_virtual_media", "management", "Failed to detach virtual media: "),
    ];

    async fn ask(self, stage: &Stage, node: &Node) -> Result<(), ConductorError> {
        let (conductor, name) = (&stage.conductor, node.uuid.into());
        match self {
            Self::BootMode => conductor.change_boot_mode(context(), &name, BootMode::Bios).await,
            Self::SecureBoot => conductor.change_secure_boot(context(), &name, SecureBoot::On).await,
            Self::Console => conductor.set_console_mode(context(), &name, ConsoleMode::On).await,
            Self::ConsoleOff => conductor.set_console_mode(context(), &name, ConsoleMode::Off).await,
            Self::MediaIn => {
                let (device, image) = ("cdrom".to_owned(), "http://127.0.0.1/i".to_owned());
                conductor.attach_virtual_media(context(), &name, device, image).await
            }
            Self::MediaOut => conductor.detach_virtual_media(context(), &name, None).await,
        }
    }
}

#[tokio::test]
async fn what_a_machine_does_not_do_in_the_background_is_in_its_history_with_who_asked() {
    for (change, method, event_type, begin) in Change::ALL {
        let stage = Stage::new(quick()).await;
        let mut node = crate::script::stage::node(S::Available);
        node.console_enabled = matches!(change, Change::ConsoleOff);
        let node = stage.enrol(node).await;
        stage.script.will_fail(method, "the BMC has no mood");

        change.ask(&stage, &node).await.unwrap();

        let node = stage.unlocked(&node).await;
        let entries = stage.store.history_list(node.id, &farrier_store::Page::default()).await.unwrap();
        let [entry] = &entries[..] else { panic!("{change:?}: {entries:?}") };
        assert_eq!((entry.severity, entry.event_type.as_str()), (Severity::Error, event_type), "{change:?}");
        assert!(entry.event.starts_with(begin) && entry.event.contains("no mood"), "{}", entry.event);
        assert_eq!((entry.conductor.as_str(), entry.state), ("host-1", Some(S::Available)), "{change:?}");
        assert_eq!((entry.user.as_deref(), entry.project.as_deref()), (Some("alice"), Some("test")));
        assert_eq!(node.last_error.as_ref(), Some(&entry.event), "{change:?}");
        assert_eq!(node.console_enabled, matches!(change, Change::ConsoleOff), "{change:?}");
    }
}

#[tokio::test]
async fn what_a_machine_does_leaves_no_error_and_nothing_in_its_history() {
    for (change, method, ..) in Change::ALL {
        let stage = Stage::new(quick()).await;
        let mut node = crate::script::stage::node(S::Available);
        node.console_enabled = matches!(change, Change::ConsoleOff);
        node.last_error = Some("something older".to_owned());
        let node = stage.enrol(node).await;

        change.ask(&stage, &node).await.unwrap();

        let node = stage.unlocked(&node).await;
        assert_eq!(stage.script.count(method), 1, "{change:?}");
        assert_eq!((node.last_error.as_ref(), stage.history(&node).await.len()), (None, 0), "{change:?}");
    }
}
