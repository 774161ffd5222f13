// Our own words of health care, written for this project: no list of anybody's was copied. A term is lower case, words
// apart by one space; a plural `s` is found by itself. Only letters and digits count: `ob/gyn` is two words. `!` marks a strong term, which says by itself that someone is or was
// treated; the others need a second one. Spanish stands with English, because mail does.

export type TermKind = 'condition' | 'drug' | 'lab' | 'visit' | 'payer' | 'general' | 'disclaimer';
export type Term = { readonly text: string; readonly kind: TermKind; readonly strong: boolean };

const CONDITIONS = `
!afib, !atrial fibrillation, !chf, !congestive heart failure, heart failure, !copd, !nstemi, !stemi, myocardial infarction, heart attack,
angina, arrhythmia, hypertension, hypotension, hyperlipidemia, high cholesterol, coronary artery disease, !dvt, pulmonary embolism, stroke,
!cva, tia, aneurysm, !diabetes, !diabetic, !type 2 diabetes, !type 1 diabetes, !t2dm, !gestational diabetes, hypoglycemia, hypothyroidism, hyperthyroidism, gout, obesity,
asthma, bronchitis, pneumonia, emphysema, sleep apnea, covid-19, covid positive, influenza, tuberculosis, !hiv, !hiv positive, !aids, !hepatitis c, !hepatitis b, hepatitis,
cirrhosis, pancreatitis, colitis, !crohn's disease, !crohn's, crohns, diverticulitis, gerd, ulcer, c diff, sepsis, cellulitis, mrsa, uti, urinary tract infection,
kidney disease, !ckd, !esrd, dialysis, kidney stone, cancer, !breast cancer, !lung cancer, !prostate cancer, !colon cancer, !leukemia, !lymphoma, !melanoma, tumor, malignant, malignancy,
!carcinoma, !metastatic, metastasis, mets, benign, biopsy, lesion, chemotherapy, chemo, radiation therapy, anemia, sickle cell, hemophilia, !lupus, !rheumatoid arthritis, arthritis,
osteoporosis, fracture, sciatica, herniated disc, concussion, seizure, !epilepsy, !multiple sclerosis, !parkinson's disease, !parkinson's, !alzheimer's, !dementia, migraine, neuropathy,
!depression, major depressive disorder, anxiety, !anxiety disorder, !bipolar, !bipolar disorder, !schizophrenia, !ptsd, !adhd, !autism, eating disorder, anorexia, bulimia, !suicidal, !suicidal ideation,
self harm, !substance abuse, !substance use disorder, !opioid use disorder, !alcoholism, !overdose, addiction, !detox, withdrawal symptoms, !pregnant, pregnancy, !miscarriage, !abortion, !ectopic,
!infertility, !ivf, !chlamydia, !gonorrhea, !syphilis, !herpes, !std, !sti, hpv, eczema, psoriasis, shingles, rash, edema, dyspnea, shortness of breath, chest pain, nausea, vomiting, syncope, fever,
allergic to, comorbidity, symptom, prognosis, !was diagnosed with, !diagnosed with, !been diagnosed, diagnosis, diagnose, chronic, acute, remission, relapse, infection, wound, hemorrhage, appendicitis, !appendectomy,
!mastectomy, !hysterectomy, !colonoscopy, endoscopy, !chemo cycle, knee replacement, hip replacement, !bypass surgery, transplant, !stillbirth, !hospice, palliative, !dnr, !psychiatric, psychotic, glaucoma, cataract,
embarazada, diabetes tipo 2, !cancer de mama, cáncer, !hipertensión, hipertension, asma, depresión, depresion, ansiedad, infección, infeccion, fractura, diagnóstico, diagnostico, convulsiones, derrame cerebral, alergia`;

const DRUGS = `
!metformin, !insulin, !lantus, !humalog, !ozempic, !semaglutide, !mounjaro, !trulicity, !jardiance, !farxiga, !januvia, !glipizide, !lisinopril, !losartan, !valsartan, !amlodipine, !metoprolol, !atenolol,
!carvedilol, !propranolol, !hydrochlorothiazide, !hctz, !furosemide, !lasix, !spironolactone, !atorvastatin, !lipitor, !simvastatin, !rosuvastatin, !crestor, !warfarin, !coumadin, !eliquis, !apixaban, !xarelto,
!plavix, !clopidogrel, aspirin, !digoxin, !amiodarone, !albuterol, !advair, !symbicort, !montelukast, !prednisone, !methylprednisolone, !dexamethasone, !levothyroxine, !synthroid, !omeprazole, !pantoprazole,
!famotidine, !ondansetron, !zofran, !sertraline, !zoloft, !fluoxetine, !prozac, !escitalopram, !lexapro, !citalopram, !bupropion, !wellbutrin, !venlafaxine, !duloxetine, !cymbalta, !trazodone, !mirtazapine,
!lithium carbonate, !lamotrigine, !quetiapine, !seroquel, !risperidone, !olanzapine, !aripiprazole, !abilify, !haloperidol, !clonazepam, !klonopin, !lorazepam, !ativan, !alprazolam, !xanax, !diazepam, !zolpidem,
!adderall, !methylphenidate, !ritalin, !vyvanse, !gabapentin, !pregabalin, !lyrica, !topiramate, !levetiracetam, !keppra, !phenytoin, !oxycodone, !oxycontin, !percocet, !hydrocodone, !vicodin, !norco, !morphine,
!fentanyl, !tramadol, !methadone, !suboxone, !buprenorphine, !naltrexone, !naloxone, ibuprofen, acetaminophen, tylenol, naproxen, !amoxicillin, !augmentin, !azithromycin, !ciprofloxacin, !levofloxacin, !doxycycline,
!cephalexin, !vancomycin, !bactrim, !nitrofurantoin, !fluconazole, !acyclovir, !valacyclovir, !paxlovid, !truvada, !descovy, !biktarvy, !humira, !adalimumab, !enbrel, !keytruda, !pembrolizumab, !herceptin,
!tamoxifen, !letrozole, !methotrexate, !hydroxychloroquine, !allopurinol, !tamsulosin, !finasteride, !sildenafil, !viagra, !estradiol, !mifepristone, !misoprostol, !depo-provera, !botox injection, !epipen,
antibiotic, antidepressant, steroid injection, inhaler, opioid, antiviral, vaccine, immunization, statin, blood thinner, beta blocker, !metformina, !insulina, antibiótico`;

const LABS = `
!a1c, !hba1c, !hemoglobin a1c, blood sugar, blood glucose, fasting glucose, !inr, creatinine, egfr, bun, potassium level, hemoglobin, hematocrit, platelet, wbc, white count, !cd4 count, !viral load, !psa, tsh,
ldl, hdl, triglyceride, cholesterol, lipid panel, !cbc, !cmp, bmp, urinalysis, urine culture, blood culture, !troponin, !bnp, d-dimer, !positive for, tested positive, test result, lab result, lab work, labs,
bloodwork, blood test, blood pressure, bp, heart rate, oxygen saturation, spo2, bmi, !ekg, !ecg, !echocardiogram, stress test, x-ray, xray, !ct scan, !mri, ultrasound, !mammogram, !pap smear, !pap, dexa scan, pet scan,
pathology, pathology report, radiology, specimen, drug screen, genetic test, !brca1, !brca2, pregnancy test, pulmonary function, sleep study, presión arterial, análisis de sangre, resultados de laboratorio, radiografía, azúcar en la sangre`;

const VISITS = `
!your appointment, appointment, follow-up visit, follow-up with, referral, referred to, admitted, !admitted to, admission, discharged, !discharge summary, discharge, no-show, !no-showed for, no-showed,
emergency room, emergency department, !er visit, icu, inpatient, outpatient, telehealth visit, office visit, annual physical, !progress note, !h&p, history and physical, consult note, !operative report, surgery, !surgery scheduled, post-op, pre-op,
procedure, anesthesia, physical therapy, occupational therapy, speech therapy, !therapy session, counseling, psychotherapy, psychiatrist, psychologist, oncologist, oncology, cardiologist, cardiology, neurologist, neurology,
dermatologist, endocrinologist, gastroenterologist, nephrologist, obgyn, ob/gyn, obstetrician, gynecologist, urologist, orthopedic, pediatrician, primary care, pcp, specialist, hospitalized, !vital signs, vitals, intake form,
medical history, !chief complaint, treatment, treatment plan, !treatment for, care plan, medication, medication list, prescription, !your prescription, prescribed, !prescribed, refill, dose, dosage, mg, mcg, bid, tid, qhs, prn, tablet, tabs, nurse visit, home health,
rehab, !rehab facility, nursing home, skilled nursing, wheelchair, oxygen at home, cpap, pacemaker, stent, catheter, !your test results, !your results, !your lab results, !your diagnosis, !your procedure, !your surgery, immunization record, medical record,
cita médica, su cita, receta, recetas, medicamento, tratamiento, hospitalizado, cirugía, dosis, consulta médica, sala de emergencias, !sus resultados, terapia`;

const PAYERS = `
eob, explanation of benefits, prior auth, prior authorization, !medical necessity, denied claim, claim denial, claim denied, denial, copay, co-pay, deductible, coinsurance, out of network, eligibility, medicare, medicaid, date of service, dos,
cpt, hcpcs, icd-10, billed amount, patient balance, medical bill, !patient responsibility, health plan, health insurance, coverage determination, appeal, seguro médico, reclamación`;

/** Words that say: this paragraph is about nobody. They lower health words, never a number. */
const GENERAL = `
newsletter, webinar, unsubscribe, promotion, discount, percent off, save up to, sale ends, conference, agenda, committee, training module, training, policy update, curriculum, formulary, cohort, mean age, randomized, rfp, request for proposal, test plan,
horoscope, veterinary, veterinarian, vet clinic, my dog, my cat, pet insurance, puppy, kitten, white paper, press release, blog post, webcast, podcast, continuing education, awareness month, fundraiser, job opening, job description, we are hiring,
study participants, clinical trial results, market share, sales forecast, roadmap, release notes, unit test, connection pool, post-mortem, postmortem, heart attack burger, template, blank form, sample form, flu shot clinic, open enrollment, wellness program, town hall, all staff, dear colleagues`;

const DISCLAIMERS = `
protected health information, confidentiality notice, intended only for, intended recipient, intended solely, privileged and confidential, received this email in error, received this e-mail in error, received this message in error, unauthorized review, hipaa, 45 cfr, not a substitute for, aviso de confidencialidad`;

function terms(list: string, kind: TermKind): Term[] {
  return list
    .split(',')
    .map((entry) => entry.trim().replace(/\s+/g, ' '))
    .filter((entry) => entry !== '')
    .map((entry) => ({ text: entry.replace(/^!/, ''), kind, strong: entry.startsWith('!') }));
}

export const VOCABULARY: readonly Term[] = [
  ...terms(CONDITIONS, 'condition'),
  ...terms(DRUGS, 'drug'),
  ...terms(LABS, 'lab'),
  ...terms(VISITS, 'visit'),
  ...terms(PAYERS, 'payer'),
  ...terms(GENERAL, 'general'),
  ...terms(DISCLAIMERS, 'disclaimer'),
];
