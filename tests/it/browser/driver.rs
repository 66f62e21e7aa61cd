//! One Chromium for one test: started on free ports, and stopped however the test ends.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// How long a page may take to appear.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

pub struct Browser {
    client: Client,
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    pub async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let port = announced_port(&mut driver);
        let capabilities = json!({
            "goog:chromeOptions": { "args": ARGUMENTS },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromedriver starts Chromium");
        let session = client.session_id().await.unwrap().unwrap();
        Self { client, driver, port, session }
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    pub async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// The element `selector`, as soon as it is there.
    pub async fn find(&self, selector: &str) -> Element {
        let started = Instant::now();
        loop {
            match self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await {
                Ok(element) => return element,
                // The next page came while this one was being searched.
                Err(error) if error.to_string().contains("aborted by navigation") && started.elapsed() < PATIENCE => {}
                Err(error) => panic!("{selector} at {}: {error}\n{}", self.url().await, self.text().await),
            }
        }
    }

    pub async fn has(&self, selector: &str) -> bool {
        !self.client.find_all(Locator::Css(selector)).await.unwrap().is_empty()
    }

    pub async fn is_visible(&self, selector: &str) -> bool {
        self.find(selector).await.is_displayed().await.unwrap()
    }

    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What the page says.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Runs a script that calls its last argument with the result.
    pub async fn run_async(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    /// A window as wide as a phone or a desk's screen: a real window can't be narrower than 500 pixels.
    pub async fn look(&self, width: u32, scheme: Scheme) {
        let size = json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        // A colour on its way from one scheme to the other is neither.
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }, still] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Raw { path: "goog/cdp/execute", body }).await.unwrap()
    }

    /// Gives the browser an authenticator of its own that says yes to everything, unless `change` has it otherwise (WebAuthn
    /// Level 3 §11.2).
    pub async fn add_authenticator(&self, change: Value) {
        let mut body = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.client.issue_cmd(Raw { path: "webauthn/authenticator", body }).await.unwrap();
    }

    /// Goes somewhere in a browser that suggests no passkeys.
    pub async fn stop_suggestions(&self, url: &str) {
        let source = "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false;";
        let script = self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
        self.goto(url).await;
        self.devtools("Page.removeScriptToEvaluateOnNewDocument", script).await;
    }

    /// A picture of the whole page, as PNG in base64.
    pub async fn picture(&self) -> String {
        let picture = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        picture["data"].as_str().unwrap().to_owned()
    }

    /// What the browser complained of since the last call: refused scripts, styles, forms; missing files; exceptions.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Raw { path: "se/log", body: json!({ "type": "browser" }) }).await.unwrap();
        let severe =
            |entry: &&Value| entry["level"] == "SEVERE" || entry["message"].as_str().unwrap_or_default().contains("Policy");
        log.as_array().unwrap().iter().filter(severe).map(|entry| entry["message"].to_string()).collect()
    }

    /// No policy was broken, nothing was missing, no script failed.
    pub async fn assert_content(&self, place: &str) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "{place}: {complaints:#?}");
    }
}

impl Drop for Browser {
    /// Ends the session, which ends Chromium, and then chromedriver. Also when the test has failed, so nothing here may panic.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let request = format!("DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", self.session);
            _ = stream.set_read_timeout(Some(PATIENCE));
            _ = stream.write_all(request.as_bytes());
            _ = stream.read(&mut [0; 512]);
        }
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}

/// "ChromeDriver was started successfully on port 41234."
fn announced_port(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("successfully on port")).expect("chromedriver says where it listens");
    line.trim_end_matches('.').rsplit(' ').next().unwrap().parse().expect("a port")
}

/// A command of chromedriver that WebDriver doesn't have.
struct Raw {
    path: &'static str,
    body: Value,
}

impl fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.path)
    }
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base_url: &url::Url, session_id: Option<&str>) -> Result<url::Url, url::ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
