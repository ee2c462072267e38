/**
 * The page's entry: names the elements, finds the model's address, starts. Elements are named here and nowhere else, so
 * that importing a module never has an effect.
 */
import { createEngine } from '../worker/client.ts';
import { Composer } from './composer.ts';
import { ConversationView } from './conversation_view.ts';
import { HeatMap } from './heat_map.ts';
import { MemoryPanel } from './memory_panel.ts';
import { readOffer } from './model_offer.ts';
import { Page } from './page.ts';
import { SettingsDialog } from './settings_dialog.ts';
import { TurnView } from './turn_view.ts';

/** Beside the page; `?model=` names another folder or GGUF file. */
const DEFAULT_MODEL = 'models/smollm2-135m-instruct/';

customElements.define('lethe-heat-map', HeatMap);
customElements.define('lethe-memory', MemoryPanel);
customElements.define('lethe-turn', TurnView);
customElements.define('lethe-conversation', ConversationView);
customElements.define('lethe-composer', Composer);
customElements.define('lethe-settings', SettingsDialog);

const named = new URLSearchParams(location.search).get('model');
const page = document.querySelector('lethe-page');
customElements.define('lethe-page', Page);
if (page instanceof Page) {
  page.parts = { createEngine, readOffer, address: new URL(named ?? DEFAULT_MODEL, document.baseURI).href };
}
