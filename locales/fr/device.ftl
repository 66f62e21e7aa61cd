### Connecting a device that shows a code: a television, a console, a command line.

device-title = Connecter un appareil
device-lead = Saisissez le code que votre appareil affiche. Il demande l’accès à votre compte.
device-code = Code
device-code-hint = Huit lettres, valables dix minutes.
device-code-refused = Ce code ne convient pas. Il est peut-être mal saisi, trop ancien ou déjà utilisé.
device-warning = Ne continuez que si vous avez lancé cette demande vous-même et si votre appareil affiche ce code. Si quelqu’un vous l’a envoyé, c’est lui qui obtiendrait l’accès.
device-allowed-title = Votre appareil est connecté
device-allowed-text = Retournez-y : dans quelques secondes il continue tout seul. Vous pouvez fermer cette page.
device-denied-title = L’appareil n’a pas été connecté
device-denied-text = Il a été informé de votre refus. Vous pouvez fermer cette page.
device-to-account = Aller à votre compte
