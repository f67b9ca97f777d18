//! The program: a greeting on the first serial port, and the power button.
//!
//! Both machines of QEMU that firmware starts here, `pc` and `q35`, have their ACPI registers at the same place.
//! QEMU tells of the power button only where the guest has asked for it.

use super::FAREWELL;

/// The first serial port: data, and line status, whose bit 5 is set when the next byte can be sent.
const SERIAL_DATA: u16 = 0x3f8;
const SERIAL_STATUS: u16 = 0x3fd;

/// ACPI: power management status (bit 8 is the power button), what is told of it, and control.
const ACPI_STATUS: u16 = 0x600;
const ACPI_ENABLE: u16 = 0x602;
const ACPI_CONTROL: u16 = 0x604;
const ACPI_BUTTON: u16 = 1 << 8;
/// Sleep now, as deep as QEMU can: off.
const ACPI_OFF: u16 = 1 << 13;

/// Width of the processor's mode: which instructions need a prefix to work with 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bits16,
    Bits64,
}

/// Machine code that grows; places that are not known yet are filled in at the end.
struct Code {
    mode: Mode,
    bytes: Vec<u8>,
}

impl Code {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An instruction on 16-bit registers.
    fn short(&mut self, bytes: &[u8]) {
        if self.mode == Mode::Bits64 {
            self.put(&[0x66]);
        }
        self.put(bytes);
    }

    /// `mov dx, port`
    fn port(&mut self, port: u16) {
        let [low, high] = port.to_le_bytes();
        self.short(&[0xba, low, high]);
    }

    /// `mov ax, value; out dx, ax`
    fn out(&mut self, port: u16, value: u16) {
        self.port(port);
        let [low, high] = value.to_le_bytes();
        self.short(&[0xb8, low, high]);
        self.short(&[0xef]);
    }

    /// Points `si` at a text that comes later; the place to fill in.
    fn point(&mut self) -> usize {
        match self.mode {
            // Where the code runs is found out by calling the next instruction.
            Mode::Bits16 => self.put(&[0xe8, 0, 0, 0x5e, 0x81, 0xc6, 0, 0]),
            // lea rsi, [rip + ...]
            Mode::Bits64 => self.put(&[0x48, 0x8d, 0x35, 0, 0, 0, 0]),
        }
        self.bytes.len()
    }

    /// Fills in a place of [`point`](Self::point).
    fn aim(&mut self, place: usize, target: usize) {
        let (from, width) = match self.mode {
            // From the popped address, five bytes before the end of the instruction.
            Mode::Bits16 => (place - 5, 2),
            Mode::Bits64 => (place, 4),
        };
        let distance = u32::try_from(target - from).unwrap_or_default().to_le_bytes();
        self.fill(place - width, distance.get(..width).unwrap_or_default());
    }

    fn fill(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Sends the text at `si` up to its zero.
    fn send(&mut self) {
        let start = self.bytes.len();
        self.put(&[0xac, 0x84, 0xc0, 0x74, 0]); // next: lodsb; test al, al; jz done
        let end = self.bytes.len();
        self.put(&[0x88, 0xc4]); // mov ah, al
        self.port(SERIAL_STATUS);
        self.put(&[0xec, 0xa8, 0x20, 0x74, 0xfb]); // wait: in al, dx; test al, 20h; jz wait
        self.put(&[0x88, 0xe0]); // mov al, ah
        self.port(SERIAL_DATA);
        self.put(&[0xee]); // out dx, al
        self.back(&[0xeb], start); // jmp next
        let length = u8::try_from(self.bytes.len() - end).unwrap_or_default();
        self.fill(end - 1, &[length]);
    }

    /// A short jump to something before it.
    fn back(&mut self, jump: &[u8], target: usize) {
        self.put(jump);
        let distance = self.bytes.len() + 1 - target;
        self.put(&[u8::try_from(256 - distance).unwrap_or_default()]);
    }

    /// All that is the same for both kinds of firmware.
    fn guest(mut self, greeting: &str) -> Vec<u8> {
        let greets = self.point();
        self.send();
        self.out(ACPI_ENABLE, ACPI_BUTTON);
        let watch = self.bytes.len();
        self.put(&[0xf4]); // hlt: until the timer ticks
        self.port(ACPI_STATUS);
        self.short(&[0xed]); // in ax, dx
        self.put(&[0xf6, 0xc4, 0x01]); // test ah, 1
        self.back(&[0x74], watch); // jz watch
        let leaves = self.point();
        self.send();
        self.out(ACPI_CONTROL, ACPI_OFF);
        self.put(&[0xfa, 0xf4, 0xeb, 0xfd]); // cli; hlt; jmp hlt
        for (place, text) in [(greets, greeting), (leaves, FAREWELL)] {
            let target = self.bytes.len();
            self.aim(place, target);
            self.put(format!("\r\n{text}\r\n\0").as_bytes());
        }
        self.bytes
    }
}

/// For BIOS, which jumps to its first byte.
pub(super) fn bios(greeting: &str) -> Vec<u8> {
    let mut code = Code { mode: Mode::Bits16, bytes: Vec::new() };
    // cld; sti; push cs; pop ds
    code.put(&[0xfc, 0xfb, 0x0e, 0x1f]);
    code.guest(greeting)
}

/// For UEFI, which calls its first byte with the system table in `rdx`.
pub(super) fn uefi(greeting: &str) -> Vec<u8> {
    let mut code = Code { mode: Mode::Bits64, bytes: Vec::new() };
    code.put(&[0xfc, 0x48, 0x83, 0xec, 0x28]); // cld; sub rsp, 40
    code.put(&[0x48, 0x8b, 0x42, 0x60]); // mov rax, [rdx + 60h]: boot services
    code.put(&[0x31, 0xc9, 0x31, 0xd2, 0x45, 0x31, 0xc0, 0x45, 0x31, 0xc9]); // all arguments zero
    // call [rax + 100h]: without it the watchdog restarts the machine after five minutes
    code.put(&[0xff, 0x90, 0x00, 0x01, 0x00, 0x00]);
    code.guest(greeting)
}
