//! What goes wrong before the first call.

use std::str::FromStr;

use farrier_sdk::prelude::*;

/// Where the constructor, which has no options, looks for what it is to do.
const VARIABLE: &str = "FARRIER_ROGUE";

/// Misbehavior while the library is loaded and started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loading {
    /// `constructor-crash`: a constructor ends the process by SIGABRT.
    ConstructorCrash,
    /// `constructor-exit`: a constructor ends the process with code 3, as if all were well.
    ConstructorExit,
    /// `constructor-hang`: a constructor never ends.
    ConstructorHang,
    /// `constructor-print`: a constructor prints an answer that it loaded, and then crashes.
    ConstructorPrint,
    /// `open-panic`: starting panics.
    OpenPanic,
    /// `open-refuse`: starting answers with an error.
    OpenRefuse,
    /// `open-hang`: starting never ends.
    OpenHang,
    /// `open-exit`: starting ends the process with code 3.
    OpenExit,
    /// `interface-panic`: making the power interface panics.
    InterfacePanic,
}

impl Loading {
    /// All of them with their words.
    const WORDS: [(&str, Self); 9] = [
        ("constructor-crash", Self::ConstructorCrash),
        ("constructor-exit", Self::ConstructorExit),
        ("constructor-hang", Self::ConstructorHang),
        ("constructor-print", Self::ConstructorPrint),
        ("open-panic", Self::OpenPanic),
        ("open-refuse", Self::OpenRefuse),
        ("open-hang", Self::OpenHang),
        ("open-exit", Self::OpenExit),
        ("interface-panic", Self::InterfacePanic),
    ];

    /// What the environment asks for.
    fn from_environment() -> Option<Self> {
        std::env::var(VARIABLE).ok()?.parse().ok()
    }

    /// What the option or else the environment asks for.
    pub(crate) fn asked(options: &RogueOptions) -> Option<Self> {
        options.rogue_start.as_deref().map_or_else(Self::from_environment, |word| word.parse().ok())
    }

    /// Does it, if it belongs into `open`.
    ///
    /// # Errors
    ///
    /// `Conflict`: [`Loading::OpenRefuse`].
    #[expect(clippy::panic, reason = "that is what it was asked for")]
    pub(crate) fn open(self) -> Result<()> {
        match self {
            Self::OpenPanic => panic!("rogue was asked to panic in `open`"),
            Self::OpenHang => hang(),
            Self::OpenExit => std::process::exit(3),
            Self::OpenRefuse => {
                Err(DriverError::new(ErrorKind::Conflict, "rogue was asked to refuse to start"))
            }
            Self::ConstructorCrash
            | Self::ConstructorExit
            | Self::ConstructorHang
            | Self::ConstructorPrint
            | Self::InterfacePanic => Ok(()),
        }
    }

    /// Does it, if it belongs into making an implementation.
    #[expect(clippy::panic, reason = "that is what it was asked for")]
    pub(crate) fn interface(self) {
        if self == Self::InterfacePanic {
            panic!("rogue was asked to panic in making an interface");
        }
    }
}

impl FromStr for Loading {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, loading)| *loading).ok_or(())
    }
}

/// Options of the table `rogue`.
#[derive(Debug, Options)]
pub(crate) struct RogueOptions {
    /// What goes wrong at the start
    pub(crate) rogue_start: Option<String>,
}

/// Runs when the library is mapped, before anybody could look at it.
#[used]
#[expect(unsafe_code, reason = "a constructor is registered by a section of the file")]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

#[expect(
    clippy::print_stdout,
    reason = "a library that prints when it is loaded is one of the things to survive"
)]
extern "C" fn constructor() {
    match Loading::from_environment() {
        Some(Loading::ConstructorCrash) => std::process::abort(),
        Some(Loading::ConstructorExit) => std::process::exit(3),
        Some(Loading::ConstructorHang) => hang(),
        Some(Loading::ConstructorPrint) => {
            println!("\"loaded\"");
            std::process::abort();
        }
        _ => {}
    }
}

/// Never comes back.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
