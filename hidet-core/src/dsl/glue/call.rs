//! Calls of device functions, counted while a kernel is built: endless recursion is an error instead of a stack
//! overflow. No code is emitted for a call.

use crate::dsl::builder::{TooDeep, here, with};

/// The maximum nesting depth of calls of device functions.
const MAX_CALLS: u32 = 100;

/// A device function that is being built into the kernel.
pub struct DeviceCall(());

impl DeviceCall {
    /// Begins the function with that name.
    #[track_caller]
    pub fn enter(name: &str) -> DeviceCall {
        let at = here();
        let too_deep = with(|builder| {
            builder.calls += 1;
            if builder.calls > MAX_CALLS {
                let message = format!(
                    "{MAX_CALLS} calls of device functions are nested where `{name}` is called: both branches of a device \
                     condition are built, so it cannot end a recursion; write a loop, or recurse on a meta \
                     value"
                );
                builder.problem(message, at);
            }
            builder.calls > MAX_CALLS
        });
        // The function must return a value, and there is none: the building of the kernel ends here.
        if too_deep == Some(true) {
            std::panic::resume_unwind(Box::new(TooDeep));
        }
        DeviceCall(())
    }
}

impl Drop for DeviceCall {
    fn drop(&mut self) {
        with(|builder| builder.calls = builder.calls.saturating_sub(1));
    }
}
