//! Pages with which something ends: the answer to an application, a device, a session.

use ostiary::pages::view::{AnswerByHand, Device, DeviceEnded, Error, FormPost, Frame, LogoutConfirm, SignedOut};

use super::{DynRender, HOSTILE};

/// What an application is answered, where the browser is not just sent there.
pub(super) fn answers(frame: &Frame, add: &mut impl FnMut(&str, &dyn DynRender)) {
    let error = Error {
        frame: Frame { nonce: None, ..frame.clone() },
        status: 400,
        title: frame.text.of("error-redirect-uri"),
        text: frame.text.of("error-redirect-uri.text"),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        go_on: Some("https://printer.example/login?iss=https%3A%2F%2Fid.example.org".to_owned()),
    };
    add("error", &error);
    let fields = vec![("code".to_owned(), "abc".to_owned()), ("state".to_owned(), HOSTILE.to_owned())];
    let (place, next) = ("app.example".to_owned(), "https://app.example/cb?error=login_required".to_owned());
    add("answer-by-hand", &AnswerByHand { frame: frame.clone(), place, error: "login_required".to_owned(), next });
    add("form-post", &FormPost { frame: frame.clone(), action: "https://app.example/cb?a=1&b=2".to_owned(), fields });
}

/// The pages on which devices are connected.
pub(super) fn devices(frame: &Frame, add: &mut impl FnMut(&str, &dyn DynRender)) {
    let device = Device {
        frame: frame.clone(),
        action: format!("{}/device", frame.base),
        csrf: "c".to_owned(),
        user_code: "WDJB-MJHT".to_owned(),
        refused: false,
    };
    add("device", &device);
    add("device-refused", &Device { user_code: HOSTILE.to_owned(), refused: true, ..device });
    add("device-allowed", &DeviceEnded { frame: frame.clone(), allowed: true });
    add("device-denied", &DeviceEnded { frame: frame.clone(), allowed: false });
}

/// The pages of a logout.
pub(super) fn logouts(frame: &Frame, add: &mut impl FnMut(&str, &dyn DynRender)) {
    let logout = LogoutConfirm {
        frame: frame.clone(),
        sign_in_name: "alice".to_owned(),
        action: format!("{}/logout", frame.base),
        csrf: "c".to_owned(),
        destination: None,
        place: None,
    };
    add("logout", &logout);
    let asked = LogoutConfirm { destination: Some("sealed".to_owned()), place: Some("app.example".to_owned()), ..logout };
    add("logout-for-an-application", &asked);
    add("signed-out", &SignedOut { frame: frame.clone(), frames: Vec::new(), next: None });
    // The way on is here: a browser that looks at this is not to leave.
    let next = Some("#continue".to_owned());
    add("signed-out-for-an-application", &SignedOut { frame: frame.clone(), frames: Vec::new(), next });
}
