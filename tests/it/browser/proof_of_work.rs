//! A proof of work, done by the browser.

use super::accessibility::look_at_all;
use super::scene::Scene;

/// Everybody at this machine is asked for work.
async fn asking() -> Scene {
    Scene::set_with(|config| {
        config.limits.enabled = true;
        config.limits.datacentre_networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        config.limits.proof_of_work_bits = 18;
    })
    .await
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn the_work_is_done_while_the_form_is_filled_in() {
    let scene = asking().await;
    scene.begin(&[]).await;
    scene.browser.find("input[name=challenge]").await;
    look_at_all(&scene.browser, "login with a proof of work").await;
    scene.log_in().await;
    scene.browser.find("#consent-form").await;
    scene.browser.assert_content("the login with a proof of work").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_form_that_stood_open_for_long_does_it_anew() {
    let scene = asking().await;
    scene.begin(&[]).await;
    let challenge = scene.browser.run("return document.querySelector('input[name=challenge]').value").await;
    // Five minutes go by, for the server and for the page.
    scene.server.clock.advance(300);
    scene.browser.run("const now = performance.now.bind(performance); performance.now = () => now() + 300_000;").await;
    scene.log_in().await;
    scene.browser.find("#consent-form").await;
    scene.browser.assert_content("the login with a new proof of work").await;
    assert!(challenge.as_str().is_some_and(|challenge| challenge.contains(".1800000001.")), "{challenge}");
}
