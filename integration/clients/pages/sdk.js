import { Hanko } from "./npm/hanko-frontend-sdk/dist/sdk.modern.js";
import { api } from "./page.js";

window.hanko = new Hanko(api);
window.begun = [];
hanko.onSessionCreated((detail) => begun.push(detail));
window.ready = true;
